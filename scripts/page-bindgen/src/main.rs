//! Stands in wasm-bindgen's place while Trunk builds a page that is split, because Trunk runs nothing between the compiler and
//! wasm-bindgen: divides what was linked into the program and the parts of its pages, and makes the JavaScript of the program.
//! The parts are left in target/parts, from where scripts/lib/place-parts.mjs brings them into the site.
//!
//! Of the two programs that are made for this, most of what is compiled is for other things: a server for tests, TLS.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};
use wasm_bindgen_cli_support::Bindgen;

/// Below the checkout, where Trunk runs.
const PARTS: &str = "target/parts";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments == ["--version"] {
        // Trunk compares it with the one in the workspace's Cargo.lock.
        println!("wasm-bindgen {}", wasm_bindgen_shared::version());
        return Ok(());
    }
    let asked = Asked::read(&arguments)?;
    let program = divide(&asked)?;
    Bindgen::new()
        .web(true)?
        .input_path(program)
        .out_name(&asked.name)
        .typescript(false)
        .omit_default_module_path(false)
        // Parts use what the linker exports for them.
        .keep_lld_exports(true)
        .generate(&asked.out_dir)
}

/// What Trunk asks for.
struct Asked {
    linked: PathBuf,
    name: String,
    out_dir: PathBuf,
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self> {
        let (mut linked, mut name, mut out_dir) = (None, None, None);
        for argument in arguments {
            match argument.split_once('=') {
                Some(("--out-name", value)) => name = Some(value.to_owned()),
                Some(("--out-dir", value)) => out_dir = Some(PathBuf::from(value)),
                Some(("--target", value)) => {
                    ensure!(value == "web", "pages are made for the web, not for {value}");
                }
                None if argument == "--no-typescript" => {}
                None if Path::new(argument).extension().is_some_and(|is| is == "wasm") => {
                    linked = Some(argument.into());
                }
                _ => bail!("'{argument}' is not among what Trunk asks of wasm-bindgen for this page"),
            }
        }
        Ok(Self {
            linked: linked.context("the file that was linked is missing")?,
            name: name.context("--out-name is missing")?,
            out_dir: out_dir.context("--out-dir is missing")?,
        })
    }
}

/// Leaves the parts in [`PARTS`]; the path of the program.
fn divide(asked: &Asked) -> Result<PathBuf> {
    let parts = Path::new(PARTS);
    if parts.exists() {
        fs::remove_dir_all(parts).context("removing the parts of the page before")?;
    }
    let linked = fs::read(&asked.linked).with_context(|| format!("reading {}", asked.linked.display()))?;
    let program = parts.join(format!("{}.wasm", asked.name));
    let script = format!("./{}.js", asked.name);
    let mut options = wasm_split_cli_support::Options::new(&linked);
    options.output_dir = parts;
    options.main_out_path = &program;
    options.main_module = &script;
    options.target.web();
    wasm_split_cli_support::transform(options)
        .map_err(|report| anyhow::anyhow!("dividing {}: {report:#}", asked.linked.display()))?;
    // Its names tell which page is in which part.
    std::os::unix::fs::symlink(&asked.linked, parts.join("linked.wasm"))
        .context("linking to what was linked")?;
    Ok(program)
}
