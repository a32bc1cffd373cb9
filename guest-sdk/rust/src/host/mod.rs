//! What the host offers, in one shape for both worlds: the contract's imports when
//! compiled to WebAssembly, a scripted [`World`](crate::test::World) otherwise.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::*;

/// A request with everything filled in.
#[derive(Debug, Clone)]
pub(crate) struct PlainRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: PlainBody,
    pub(crate) name: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) options: Vec<(String, String)>,
}

/// Its body.
#[derive(Debug, Clone)]
pub(crate) enum PlainBody {
    None,
    Text(String),
    Bytes(Vec<u8>),
}

impl PlainRequest {
    /// Method and name of the series.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.method, self.name)
    }
}
