//! `memdeck verify`

use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;

/// `memdeck verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The stored image: its file (`.elf.zst`), the dump's id, or the VM by name or UUID, whose newest image it is.
    #[arg(value_name = "IMAGE", required_unless_present = "chain")]
    pub image: Option<PathBuf>,
    /// A public key (PEM) of which the signature must be; may be given several times [default: the keys of the state
    /// directory, as far as an image is signed].
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// Certificates (PEM) of which one must vouch for the authority of the manifest's time stamp; may be given several times
    /// [default: `TIMESTAMP_CA`, as far as a manifest is stamped].
    #[arg(long, value_name = "FILE", conflicts_with = "chain")]
    pub time_stamp_ca: Vec<PathBuf>,
    /// Check only so many frames of 1 MiB, spread over the image: quick, and no proof for the others.
    #[arg(long, value_name = "FRAMES")]
    pub sample: Option<NonZero<u64>>,
    /// Check all manifests of a directory instead: whether one is missing, exchanged or out of order. No image is read.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["image", "sample"])]
    pub chain: Option<PathBuf>,
    /// Print a report for people: who took what when with which tool, how long the guest stood still, every hash, who vouches
    /// for it, and what was done with it since.
    #[arg(long, conflicts_with_all = ["json", "chain"])]
    pub report: bool,
    /// Print the result as JSON and no progress bar.
    #[arg(long)]
    pub json: bool,
}
