//! `wasm-bindgen` as worker-build calls it: the options that it passes, no others.

use anyhow::{Context, Result, bail};
use std::env;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut bindgen = Bindgen::new();
    let mut out_dir = None;
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} wants a value"));
        match arg.as_str() {
            "--out-dir" => out_dir = Some(value()?),
            "--out-name" => _ = bindgen.out_name(&value()?),
            "--target" => match value()?.as_str() {
                "module" => _ = bindgen.module(true)?,
                "bundler" => _ = bindgen.bundler(true)?,
                other => bail!("target {other} is not known here"),
            },
            "--no-typescript" => _ = bindgen.typescript(false),
            "--typescript" => _ = bindgen.typescript(true),
            "--debug" => _ = bindgen.debug(true),
            "--no-demangle" => _ = bindgen.demangle(false),
            "--keep-debug" => _ = bindgen.keep_debug(true),
            "--omit-default-module-path" => _ = bindgen.omit_default_module_path(true),
            "--split-linked-modules" => _ = bindgen.split_linked_modules(true),
            "--experimental-reset-state-function" => _ = bindgen.reset_state_function(true),
            "--force-enable-abort-handler" => _ = bindgen.force_enable_abort_handler(true),
            option if option.starts_with('-') => bail!("option {option} is not known here"),
            input => _ = bindgen.input_path(input),
        }
    }
    bindgen.generate(out_dir.context("--out-dir is missing")?)
}
