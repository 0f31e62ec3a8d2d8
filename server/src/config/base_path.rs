//! The path below which a reverse proxy shows the dashboard.

use std::fmt;
use std::str::FromStr;

/// `/memdeck`: begins with a slash and does not end with one. The root is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// Text that is no such path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a path such as /memdeck, of letters, digits and .-_~")]
pub struct NoBasePath;

impl BasePath {
    /// Empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is no path at all.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BasePath {
    type Err = NoBasePath;

    /// Nothing in it means something in a header, in markup or in a path.
    fn from_str(text: &str) -> Result<Self, NoBasePath> {
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Ok(Self::default());
        }
        let part_fits = |part: &str| {
            !part.is_empty()
                && part.bytes().any(|b| b != b'.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_~".contains(&b))
        };
        let parts = path.strip_prefix('/').ok_or(NoBasePath)?;
        if parts.split('/').all(part_fits) && path.len() <= 200 {
            Ok(Self(path.to_owned()))
        } else {
            Err(NoBasePath)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_a_plain_path() {
        for (text, path) in [("", ""), ("/", ""), ("/memdeck", "/memdeck"), ("/ops/memdeck/", "/ops/memdeck")]
        {
            assert_eq!(text.parse::<BasePath>().unwrap().as_str(), path);
        }
        for bad in
            ["memdeck", "//memdeck", "/a//b", "/a/../b", "/.", "/a b", "/a\"", "/a?b", "/a;b", "/%2e", "/é"]
        {
            assert_eq!(bad.parse::<BasePath>(), Err(NoBasePath), "{bad:?}");
        }
    }
}
