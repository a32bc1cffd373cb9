//! Set-up scripts work where the usual way is closed.

use std::process::Command;

use anyhow::{Result, ensure};
use loadhost_tests::workspace_root;

#[test]
fn the_wasm_target_installs_from_debians_packages_into_an_empty_sysroot() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let sysroot = folder.path().join("sysroot");
    let script = Command::new(workspace_root().join("scripts/wasm-target.sh"))
        .args(["--way", "debian", "--sysroot"])
        .arg(&sysroot)
        .output()?;
    ensure!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));

    let (source, component) = (folder.path().join("hello.rs"), folder.path().join("hello.wasm"));
    std::fs::write(&source, "fn main() { println!(\"hello\") }")?;
    let rustc = Command::new("rustc")
        .args(["--target", "wasm32-wasip2", "--sysroot"])
        .args([&sysroot, &source])
        .arg("-o")
        .arg(&component)
        .output()?;
    ensure!(rustc.status.success(), "{}", String::from_utf8_lossy(&rustc.stderr));
    // Bytes 4 to 8 tell a component (0d 00 01 00) from a core module.
    ensure!(std::fs::read(&component)?.starts_with(b"\0asm\x0d\0\x01\0"));
    Ok(())
}
