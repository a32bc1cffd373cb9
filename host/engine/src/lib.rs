//! Runs scenarios in wasmtime sandboxes, sends their HTTP requests and measures them.
