//! What is on a mount: a directory for each guest, with three files for each of its images.
//!
//! A tree does not change; a change of the list makes another one. What stays keeps its numbers, and no number is used
//! twice.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use memdeck_model::ExportFormat;

use super::names::{FORMATS, directory_of, extension, stem_of};
use super::source::ListedImage;

/// Number of the directory at the top.
pub(super) const ROOT: u64 = 1;

/// An image on the mount.
#[derive(Debug)]
pub(super) struct MountedImage {
    /// Tells it from every other image that was ever on this mount.
    pub(super) id: u64,
    pub(super) listed: ListedImage,
    is_gone: AtomicBool,
    read_bytes: AtomicU64,
}

impl MountedImage {
    fn new(id: u64, listed: ListedImage) -> Self {
        Self { id, listed, is_gone: AtomicBool::new(false), read_bytes: AtomicU64::new(0) }
    }

    /// How many bytes of it were handed out, in whatever form.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add_read(&self, bytes: usize) {
        self.read_bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Whether it is not on the mount any more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    pub(super) fn go(&self) {
        self.is_gone.store(true, Ordering::Release);
    }
}

/// What a number stands for.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Root,
    /// The directory of a guest.
    Guest(String),
    File(Arc<MountedImage>, ExportFormat),
}

/// A name in a directory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) inode: u64,
    pub(super) name: String,
    pub(super) is_directory: bool,
}

#[derive(Debug, Default)]
pub(super) struct Tree {
    guests: BTreeMap<String, Guest>,
    nodes: HashMap<u64, Node>,
    /// By file; also how images keep their numbers.
    images: HashMap<PathBuf, Arc<MountedImage>>,
    /// The number that was given last.
    last_inode: u64,
}

#[derive(Debug, Default)]
struct Guest {
    inode: u64,
    files: BTreeMap<String, u64>,
}

impl Tree {
    /// The tree of these images. What `before` had keeps its numbers.
    pub(super) fn new(mut listed: Vec<ListedImage>, before: &Self) -> Self {
        // Of two dumps that began in the same second the first keeps the plain name, whenever the tree is made.
        listed.sort_by(|a, b| (&a.guest, a.taken, &a.path).cmp(&(&b.guest, b.taken, &b.path)));
        let mut tree = Self { last_inode: before.last_inode.max(ROOT), ..Self::default() };
        for image in listed {
            tree.add(image, before);
        }
        tree
    }

    fn add(&mut self, listed: ListedImage, before: &Self) {
        if self.images.contains_key(&listed.path) {
            return;
        }
        let directory = directory_of(&listed.guest);
        if !self.guests.contains_key(&directory) {
            let known = before.guests.get(&directory).map(|guest| guest.inode);
            let inode = known.unwrap_or_else(|| self.next_inode());
            self.nodes.insert(inode, Node::Guest(directory.clone()));
            self.guests.insert(directory.clone(), Guest { inode, files: BTreeMap::new() });
        }
        let known =
            before.images.get(&listed.path).filter(|image| image.listed == listed && !image.is_gone());
        let image = match known {
            Some(image) => Arc::clone(image),
            None => Arc::new(MountedImage::new(self.next_inode(), listed)),
        };
        let Some(guest) = self.guests.get_mut(&directory) else { return };
        let plain = stem_of(image.listed.taken);
        let is_free = |stem: &String| !guest.files.contains_key(&file_name(stem, ExportFormat::Elf));
        let numbered = (2_u32..).map(|number| format!("{plain}-{number}"));
        let Some(stem) = std::iter::once(plain.clone()).chain(numbered).find(is_free) else { return };
        for (number, format) in (1..).zip(FORMATS) {
            // The numbers behind an image's own are those of its files.
            let inode = image.id.saturating_add(number);
            guest.files.insert(file_name(&stem, format), inode);
            self.nodes.insert(inode, Node::File(Arc::clone(&image), format));
            self.last_inode = self.last_inode.max(inode);
        }
        self.images.insert(image.listed.path.clone(), image);
    }

    fn next_inode(&mut self) -> u64 {
        self.last_inode = self.last_inode.saturating_add(1);
        self.last_inode
    }

    pub(super) fn node(&self, inode: u64) -> Option<Node> {
        if inode == ROOT { Some(Node::Root) } else { self.nodes.get(&inode).cloned() }
    }

    /// The number of that name in a directory.
    pub(super) fn find(&self, directory: u64, name: &str) -> Option<u64> {
        match self.node(directory)? {
            Node::Root => self.guests.get(name).map(|guest| guest.inode),
            Node::Guest(guest) => self.guests.get(&guest)?.files.get(name).copied(),
            Node::File(..) => None,
        }
    }

    /// The names in a directory by their numbers, from the one after `inode` on; `None` where it is no directory. So a list that
    /// is read in pieces while the tree changes tells nothing twice.
    pub(super) fn entries_after(&self, directory: u64, inode: u64) -> Option<Vec<Entry>> {
        let entry = |inode, name: &String, is_directory| Entry { inode, name: name.clone(), is_directory };
        let mut entries: Vec<Entry> = match self.node(directory)? {
            Node::Root => self.guests.iter().map(|(name, guest)| entry(guest.inode, name, true)).collect(),
            Node::Guest(guest) => {
                let files = &self.guests.get(&guest)?.files;
                files.iter().map(|(name, inode)| entry(*inode, name, false)).collect()
            }
            Node::File(..) => return None,
        };
        entries.retain(|entry| entry.inode > inode);
        entries.sort_by_key(|entry| entry.inode);
        Some(entries)
    }

    /// The images that are not in `later` any more.
    pub(super) fn gone_from(&self, later: &Self) -> Vec<Arc<MountedImage>> {
        let is_there =
            |image: &MountedImage| later.images.get(&image.listed.path).is_some_and(|now| now.id == image.id);
        self.images.values().filter(|image| !is_there(image)).cloned().collect()
    }

    /// How many directories there are at the top.
    pub(super) fn guests(&self) -> u32 {
        u32::try_from(self.guests.len()).unwrap_or(u32::MAX)
    }

    /// How many images there are.
    pub(super) fn images(&self) -> usize {
        self.images.len()
    }
}

/// The numbers of an image's files.
pub(super) fn inodes_of(image: &MountedImage) -> impl Iterator<Item = u64> + '_ {
    (1..).zip(FORMATS).map(|(number, _): (u64, _)| image.id.saturating_add(number))
}

fn file_name(stem: &str, format: ExportFormat) -> String {
    format!("{stem}.{}", extension(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(guest: &str, taken: &str, path: &str) -> ListedImage {
        ListedImage { guest: guest.into(), taken: taken.parse().unwrap(), path: path.into(), record: None }
    }

    fn names(tree: &Tree, directory: u64) -> Vec<String> {
        let mut names: Vec<_> =
            tree.entries_after(directory, 0).unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    #[test]
    fn images_stand_below_their_guests_by_time_and_a_second_one_of_the_same_second_is_numbered() {
        let first = image("web-01", "2026-11-14T08:58:23.5Z", "/d/1");
        let second = image("web-01", "2026-11-14T08:58:23.9Z", "/d/2");
        for listed in [vec![first.clone(), second.clone()], vec![second.clone(), first.clone(), first]] {
            let tree = Tree::new(listed, &Tree::default());
            assert_eq!(names(&tree, ROOT), ["web-01"]);
            let guest = tree.find(ROOT, "web-01").unwrap();
            assert_eq!(names(&tree, guest).len(), 6);
            let later = tree.find(guest, "20261114T085823Z-2.raw").unwrap();
            let Some(Node::File(found, ExportFormat::Raw)) = tree.node(later) else { panic!("no raw image") };
            assert_eq!(found.listed, second);
        }
    }

    #[test]
    fn what_stays_keeps_its_numbers_and_no_number_is_used_twice() {
        let kept = image("web-01", "2026-11-14T08:58:23Z", "/d/1");
        let old = image("web-01", "2026-11-14T08:00:00Z", "/d/0");
        let before = Tree::new(vec![old.clone(), kept.clone()], &Tree::default());
        let changed = ListedImage { record: None, taken: "2026-11-15T00:00:00Z".parse().unwrap(), ..old };
        let new = image("db-01", "2026-11-14T08:58:24Z", "/d/2");
        let after = Tree::new(vec![new, kept, changed], &before);
        let guest = before.find(ROOT, "web-01").unwrap();
        assert_eq!(after.find(ROOT, "web-01"), Some(guest));
        for name in ["20261114T085823Z.elf", "20261114T085823Z.lime"] {
            assert_eq!(after.find(guest, name), before.find(guest, name));
        }
        let gone = before.gone_from(&after);
        assert_eq!(gone.len(), 1);
        for inode in inodes_of(&gone[0]) {
            assert!(before.node(inode).is_some() && after.node(inode).is_none());
        }
        let new = after.find(ROOT, "db-01").unwrap();
        assert!(before.node(new).is_none());
    }
}
