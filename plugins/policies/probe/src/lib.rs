//! Proves the path that policies take: a component without any import, built for bare WebAssembly.

wit_bindgen::generate!({
    inline: "package longhouse:probe; world probe { export greet: func(name: string) -> string; }",
});

struct Probe;

impl Guest for Probe {
    fn greet(name: String) -> String {
        format!("hello, {name}")
    }
}

export!(Probe);
