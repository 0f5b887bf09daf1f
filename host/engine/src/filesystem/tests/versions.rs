//! Whichever version of the interface a guest was built against, its calls come here.

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

use super::*;

const PATHS: [(&str, u32); 3] = [(".longhouse", NO_ENTRY), ("d/f.txt", OPENED), ("out", NOT_PERMITTED)];

/// What the guest answers: the discriminant of the result, and that of the error code.
const OPENED: u32 = 0;
const NO_ENTRY: u32 = 0x100 + ErrorCode::NoEntry as u32;
const NOT_PERMITTED: u32 = 0x100 + ErrorCode::NotPermitted as u32;

/// A component that opens `path` in the first preopened directory by version `0.2.{patch}` of the interface.
fn component(patch: u32, path: &str) -> String {
    let length = path.len();
    format!(
        r#"(component
            (import "wasi:filesystem/types@0.2.{patch}" (instance $types
                (export "descriptor" (type $descriptor (sub resource)))
                (type $path-flags' (flags "symlink-follow"))
                (export "path-flags" (type $path-flags (eq $path-flags')))
                (type $open-flags' (flags "create" "directory" "exclusive" "truncate"))
                (export "open-flags" (type $open-flags (eq $open-flags')))
                (type $descriptor-flags' (flags "read" "write" "file-integrity-sync" "data-integrity-sync"
                    "requested-write-sync" "mutate-directory"))
                (export "descriptor-flags" (type $descriptor-flags (eq $descriptor-flags')))
                (type $error-code' (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock"
                    "quota" "exist" "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted"
                    "invalid" "io" "is-directory" "loop" "too-many-links" "message-size" "name-too-long"
                    "no-device" "no-entry" "no-lock" "insufficient-memory" "insufficient-space"
                    "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device"
                    "overflow" "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy"
                    "cross-device"))
                (export "error-code" (type $error-code (eq $error-code')))
                (export "[method]descriptor.open-at" (func
                    (param "self" (borrow $descriptor)) (param "path-flags" $path-flags)
                    (param "path" string) (param "open-flags" $open-flags) (param "flags" $descriptor-flags)
                    (result (result (own $descriptor) (error $error-code)))))))
            (alias export $types "descriptor" (type $descriptor))
            (import "wasi:filesystem/preopens@0.2.{patch}" (instance $preopens
                (alias outer 1 $descriptor (type $outer))
                (export "descriptor" (type $d (eq $outer)))
                (export "get-directories" (func (result (list (tuple (own $d) string)))))))
            (core module $libc
                (memory (export "memory") 1)
                (data (i32.const 64) "{path}")
                (global $free (mut i32) (i32.const 1024))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (global.get $free)
                    (global.set $free (i32.add (global.get $free) (i32.const 64)))))
            (core instance $libc (instantiate $libc))
            (core func $get (canon lower (func $preopens "get-directories")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (core func $open (canon lower (func $types "[method]descriptor.open-at")
                (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
            (core module $main
                (import "libc" "memory" (memory 1))
                (import "fs" "get" (func $get (param i32)))
                (import "fs" "open" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
                (func (export "run") (result i32)
                    (call $get (i32.const 8))
                    (call $open (i32.load (i32.load (i32.const 8)))
                        (i32.const 1) (i32.const 64) (i32.const {length}) (i32.const 0) (i32.const 1)
                        (i32.const 32))
                    (if (result i32) (i32.load8_u (i32.const 32))
                        (then (i32.add (i32.const 0x100) (i32.load8_u (i32.const 36))))
                        (else (i32.const 0)))))
            (core instance $main (instantiate $main
                (with "libc" (instance $libc))
                (with "fs" (instance (export "get" (func $get)) (export "open" (func $open))))))
            (func (export "run") (result u32) (canon lift (core func $main "run"))))"#
    )
}

#[tokio::test]
async fn every_version_of_the_interface_is_ours() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    add_to_linker::<Guest>(&mut linker).unwrap();
    for patch in 0..=12 {
        for (path, expected) in PATHS {
            let component = Component::new(&engine, component(patch, path)).unwrap();
            let guest = Guest::new(Access::ReadWrite);
            guest.link("../outside.txt", "out");
            let mut store = Store::new(&engine, guest);
            let instance = linker.instantiate_async(&mut store, &component).await.unwrap();
            let run = instance.get_typed_func::<(), (u32,)>(&mut store, "run").unwrap();
            let (answer,) = run.call_async(&mut store, ()).await.unwrap();
            assert_eq!(answer, expected, "{path} by 0.2.{patch}");
        }
    }
}
