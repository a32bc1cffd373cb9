//! Generated from the contract in `wit/`.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, clippy::restriction)]

pub mod scenario {
    wit_bindgen::generate!({
        path: "wit",
        world: "scenario",
        ownership: Borrowing { duplicate_if_necessary: false },
        type_section_suffix: "scenario",
        pub_export_macro: true,
        export_macro_name: "export_scenario",
        default_bindings_module: "loadhost_sdk::bindings::scenario",
    });
}

pub mod shape {
    wit_bindgen::generate!({
        path: "wit",
        world: "shape",
        type_section_suffix: "shape",
        pub_export_macro: true,
        export_macro_name: "export_shape",
        default_bindings_module: "loadhost_sdk::bindings::shape",
    });
}
