//! The calls with which a store is written to: three generations of them.

use memdeck_model::InfluxVersion;
use reqwest::{StatusCode, Url};

use crate::reply::Reply;

/// Newest first: the order in which they are tried.
pub(crate) const NEWEST_FIRST: [InfluxVersion; 3] = [InfluxVersion::V3, InfluxVersion::V2, InfluxVersion::V1];

/// What names the place of the points, in the words of each generation.
pub(crate) struct Target<'a> {
    pub(crate) base: &'a Url,
    pub(crate) database: &'a str,
    pub(crate) bucket: &'a str,
    pub(crate) org: &'a str,
}

impl Target<'_> {
    pub(crate) fn url(&self, call: &str, parameters: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{call}", self.base.path()));
        url.query_pairs_mut().extend_pairs(parameters);
        url
    }

    pub(crate) fn write_url(&self, version: InfluxVersion) -> Url {
        match version {
            InfluxVersion::V3 => {
                self.url("api/v3/write_lp", &[("db", self.database), ("precision", "nanosecond")])
            }
            InfluxVersion::V2 => {
                self.url("api/v2/write", &[("bucket", self.bucket), ("org", self.org), ("precision", "ns")])
            }
            InfluxVersion::V1 => self.url("write", &[("db", self.database), ("precision", "ns")]),
        }
    }
}

/// Whether the store has no such call, so that an older one is worth a try. A missing bucket is a 404 too.
pub(crate) fn is_absent(reply: &Reply) -> bool {
    matches!(
        reply.status,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    )
}
