//! That policies can be built: components for bare WebAssembly, with nothing imported.

use longhouse_tests::guests;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

#[test]
fn a_policy_without_any_import_runs() {
    let engine = Engine::default();
    let component = Component::from_file(&engine, guests("policies").join("policy-probe.wasm")).unwrap();
    assert_eq!(component.component_type().imports(&engine).count(), 0);
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
    let greet = instance.get_typed_func::<(&str,), (String,)>(&mut store, "greet").unwrap();
    assert_eq!(greet.call(&mut store, ("policy",)).unwrap(), ("hello, policy".to_owned(),));
}
