//! `memdeck mount`

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Catalog;
use memdeck_model::ByteCount;
use memdeck_operations::blocking;
use memdeck_study::mount::{
    DirectoryImages, ImageSource, ListedImage, MountOptions, Mounted, SourceError, mount, unmount_when_closed,
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::mount_audit::MountAudit;
use super::named_image::open_catalog;
use super::output::say;
use super::{Exit, Failure, Output, with_causes};
use crate::cli::{MountArgs, UnmountArgs};
use crate::config::Config;

/// The subcommand of the process that unmounts if this one is killed.
const UNMOUNT_SUBCOMMAND: &str = "unmount-guard";
/// Between two looks whether somebody has unmounted it.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// More images than this are not mounted, the newest are.
const MOST_IMAGES: u32 = 10_000;

pub async fn run(config: &Config, args: &MountArgs) -> Result<Exit, Failure> {
    let receive = |kind| {
        signal(kind).map_err(|error| {
            Failure::new(format!("signals cannot be received, so the mount would not end: {error}"))
        })
    };
    let mut interrupt = receive(SignalKind::interrupt())?;
    let mut terminate = receive(SignalKind::terminate())?;
    let mut hang_up = receive(SignalKind::hangup())?;
    let source = source(config, args)?;
    let audit = Arc::new(MountAudit::begin(config, args)?);
    let options = MountOptions {
        cache: ByteCount::from_mib(args.cache_mib),
        tell: Box::new(|what| say(format_args!("memdeck: {what}"))),
        may_read: Box::new({
            let audit = Arc::clone(&audit);
            move |image: &ListedImage| audit.may_read(image)
        }),
    };
    let place = args.directory.clone();
    let mounted = blocking(move || mount(&place, source, options)).await;
    let mounted = mounted.map_err(|error| {
        let why = with_causes(&error);
        audit.fail(&why);
        Failure::new(why)
    })?;
    let guard = match guard(&mounted) {
        Ok(guard) => guard,
        Err(error) => {
            let why = format!("the process that unmounts after a crash cannot be started: {error}");
            audit.fail(&why);
            blocking(move || mounted.end()).await;
            return Err(Failure::new(why));
        }
    };
    let told = tell(args, &mounted);
    if told.is_ok() {
        let unmounted = async {
            while !mounted.is_over() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
            () = unmounted => say(format_args!("memdeck: {} was unmounted", mounted.place().display())),
        }
    }
    blocking(move || {
        audit.end(&mounted.end());
        end_guard(guard);
    })
    .await;
    told.map(|()| Exit::Done)
}

/// Says that the images are there.
fn tell(args: &MountArgs, mounted: &Mounted) -> Result<(), Failure> {
    let (images, place) = (mounted.images(), mounted.place());
    if args.json {
        return Output::default().json(&json!({"mountpoint": place, "images": images}));
    }
    say(format_args!("{images} images are mounted at {}; Ctrl-C unmounts", place.display()));
    Ok(())
}

fn source(config: &Config, args: &MountArgs) -> Result<Arc<dyn ImageSource>, Failure> {
    if let Some(images) = &args.images {
        return Ok(Arc::new(DirectoryImages::new(images.clone())));
    }
    let catalog = open_catalog(config).map_err(|error| {
        Failure::new(format!(
            "the catalog in {} cannot be used: {error}; --images mounts the images in a directory",
            config.state_dir.display()
        ))
    })?;
    Ok(Arc::new(CatalogImages(catalog)))
}

/// The images of the catalog's own records that were not deleted.
struct CatalogImages(Catalog);

impl ImageSource for CatalogImages {
    fn version(&self) -> Result<u64, SourceError> {
        let (own, others) = self.0.changes().map_err(|error| SourceError(with_causes(&error)))?;
        Ok(own.rotate_left(32) ^ others.cast_unsigned())
    }

    fn list(&self) -> Result<Vec<ListedImage>, SourceError> {
        let records =
            self.0.kept_images(None, MOST_IMAGES).map_err(|error| SourceError(with_causes(&error)))?;
        let listed = |record: memdeck_model::Record| {
            let path = PathBuf::from(record.dump_path.as_deref()?);
            // Somebody may have removed a file by hand.
            path.is_file().then(|| ListedImage {
                guest: record.dom.0.clone(),
                taken: record.timestamp,
                path,
                record: Some(Box::new(record)),
            })
        };
        Ok(records.into_iter().filter_map(listed).collect())
    }
}

/// Starts the process that unmounts if this one is killed.
fn guard(mounted: &Mounted) -> io::Result<Child> {
    // This very program, also where its file was replaced or removed since.
    Command::new("/proc/self/exe")
        .arg(UNMOUNT_SUBCOMMAND)
        .arg(mounted.place())
        .arg(mounted.device())
        // Ctrl-C in a terminal goes to the whole group: this one must outlive it.
        .process_group(0)
        .current_dir("/")
        // A path in it may have been meant from where this one was started, and nothing in that file is needed.
        .env_remove("MEMDECK_CONFIG")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
}

fn end_guard(mut guard: Child) {
    drop(guard.stdin.take());
    // It ends at once, since nothing is mounted any more.
    let _ = guard.wait();
}

/// `memdeck unmount-guard`: started by `memdeck mount` itself.
pub async fn unmount(args: &UnmountArgs) -> Result<Exit, Failure> {
    // A service manager that cleans up after a memdeck that died asks this process to end as well: it has something to do
    // first, and then ends by itself.
    let mut ignored = Vec::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        ignored.push(
            signal(kind).map_err(|error| Failure::new(format!("signals cannot be received: {error}")))?,
        );
    }
    let (place, device) = (args.directory.clone(), args.device.clone());
    let unmounted = blocking(move || unmount_when_closed(io::stdin(), &place, &device)).await;
    unmounted.map_err(|error| {
        Failure::new(format!("{} cannot be unmounted: {error}", args.directory.display()))
    })?;
    Ok(Exit::Done)
}
