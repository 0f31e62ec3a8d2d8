//! The arguments of what studies stored images.

use std::path::PathBuf;

use clap::Args;

/// `memdeck compare`
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The first image: its file (`.elf.zst`), the dump's id, or the VM by name or UUID, whose newest image it is.
    #[arg(value_name = "IMAGE")]
    pub first: PathBuf,
    /// The second image, which is compared with the first.
    #[arg(value_name = "IMAGE")]
    pub second: PathBuf,
    /// Write every page that differs to this file, as CSV. An existing file is not replaced.
    #[arg(long, value_name = "FILE")]
    pub pages: Option<PathBuf>,
    /// Read what was inside of the guest in both, too, and say which processes, modules, connections and open files came and
    /// went.
    #[arg(long)]
    pub inside: bool,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck inside`
#[derive(Debug, Args)]
pub struct InsideArgs {
    /// The stored image: its file (`.elf.zst`), the dump's id, or the VM by name or UUID, whose newest image it is.
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Give up after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub time_limit: u64,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck timeline`
#[derive(Debug, Args)]
pub struct TimelineArgs {
    /// The VM by name or UUID.
    #[arg(value_name = "VM")]
    pub guest: String,
    /// Show the newest so many dumps.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Print everything as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck hunt`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct HuntArgs {
    /// What to look for: text, unless an option says otherwise.
    #[arg(value_name = "PATTERN", required_unless_present = "file")]
    pub patterns: Vec<String>,
    /// A list of patterns, one on each line; `#` begins a comment line. May be given more than once.
    #[arg(long, value_name = "LIST")]
    pub file: Vec<PathBuf>,
    /// The image to look into: its file, the dump's id, or the VM by name or UUID, whose newest image it is. May be given more
    /// than once.
    #[arg(long = "in", value_name = "IMAGE", required_unless_present = "all", conflicts_with = "all")]
    pub images: Vec<PathBuf>,
    /// Look into every image in the catalog, the newest first.
    #[arg(long)]
    pub all: bool,
    /// Patterns are regular expressions over bytes.
    #[arg(long, conflicts_with_all = ["hex", "page"])]
    pub regex: bool,
    /// Patterns are bytes in hexadecimal digits.
    #[arg(long, conflicts_with = "page")]
    pub hex: bool,
    /// Patterns are fingerprints of pages, as page maps have them: 32 hexadecimal digits.
    #[arg(long)]
    pub page: bool,
    /// Look for text as UTF-16 (little-endian) as well.
    #[arg(long)]
    pub utf16: bool,
    /// ASCII letters stand for both cases.
    #[arg(short, long)]
    pub ignore_case: bool,
    /// End after so many hits.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub limit: u64,
    /// Print hits as CSV.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print everything as JSON, and no progress bar.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck mount`
#[derive(Debug, Args)]
pub struct MountArgs {
    /// An empty directory: `VM/TIME.elf`, `.raw` and `.lime` appear in it.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Mount the images in this directory, instead of those in the catalog.
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// MiB of unpacked memory that are kept, to be read again.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub cache_mib: u64,
    /// Print where images are mounted, and how many, as JSON when they are there.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck unmount-guard`
#[derive(Debug, Args)]
pub struct UnmountArgs {
    /// Where images are mounted.
    pub directory: PathBuf,
    /// Which mount it is.
    pub device: String,
}
