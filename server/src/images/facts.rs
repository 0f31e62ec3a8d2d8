//! Everything that is known of an image, as the page shows it.

use memdeck_app::api::ImageFacts;
use memdeck_model::{Problem, ProblemKind};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Images;

impl Images {
    /// What the image and its manifest tell. Where the image cannot be read and its manifest can, what the manifest
    /// tells, and why there is no more.
    ///
    /// # Errors
    /// Neither can be read, or the dump service that has them does not answer.
    pub async fn facts(&self, dump_id: &str) -> Result<ImageFacts, Problem> {
        match self.inspect(dump_id).await {
            Ok(seen) => read(seen),
            Err(problem) if matches!(problem.kind, ProblemKind::Gone | ProblemKind::Conflict) => {
                match self.manifest(dump_id).await {
                    Ok(manifest) => Ok(ImageFacts {
                        manifest: Some(read(manifest)?),
                        problem: Some(problem),
                        ..ImageFacts::default()
                    }),
                    Err(_) => Err(problem),
                }
            }
            Err(problem) => Err(problem),
        }
    }
}

/// A dump service of another version may tell it in another way.
fn read<T: DeserializeOwned>(told: Value) -> Result<T, Problem> {
    serde_json::from_value(told).map_err(|error| {
        let detail = format!("what is told of the image cannot be understood ({error})");
        Problem::new(ProblemKind::Unavailable, detail)
    })
}
