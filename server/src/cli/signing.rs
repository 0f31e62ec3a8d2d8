//! `memdeck signing-key`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use memdeck_model::KeyId;

use super::JsonArgs;

/// `memdeck signing-key`
#[derive(Debug, Subcommand)]
pub enum SigningKeyCommand {
    /// Say which key signs, which signed before, when they were made and where they are.
    Show(JsonArgs),
    /// Print the public key, in PEM: with it manifests are checked anywhere, also by `openssl pkeyutl`.
    Export(ExportKeyArgs),
    /// Make another key, which signs from now on. The one before is gone; what it signed is still checked by its public key.
    Rotate(JsonArgs),
}

/// `memdeck signing-key export`
#[derive(Debug, Args)]
pub struct ExportKeyArgs {
    /// An earlier key, as `memdeck signing-key show` lists it [default: the one that signs].
    #[arg(value_name = "KEY")]
    pub key: Option<KeyId>,
    /// Where to write it; `-` is standard output. An existing file is not replaced.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}
