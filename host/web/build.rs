//! A changed file of the page makes the crate anew, which embeds them.

fn main() {
    println!("cargo::rerun-if-changed=assets");
}
