//! Everything that is known of an image, as the page shows it.

use memdeck_model::{ImageFacts, Problem, ProblemKind};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Images;

impl Images {
    /// The image and its manifest. If the image cannot be read and its manifest can, the manifest, and why there is no
    /// more.
    ///
    /// # Errors
    /// Neither can be read, or the dump service that has them does not answer.
    pub async fn facts(&self, dump_id: &str) -> Result<ImageFacts, Problem> {
        match self.inspect(dump_id).await {
            Ok(inspection) => Ok(ImageFacts::Inspected(Box::new(parse(inspection)?))),
            Err(problem) if matches!(problem.kind, ProblemKind::Gone | ProblemKind::Conflict) => {
                match self.manifest(dump_id).await {
                    Ok(manifest) => Ok(ImageFacts::ManifestAlone(Box::new(parse(manifest)?), problem)),
                    Err(_) => Err(problem),
                }
            }
            Err(problem) => Err(problem),
        }
    }
}

/// A dump service of another version may describe it in another way.
fn parse<T: DeserializeOwned>(answer: Value) -> Result<T, Problem> {
    serde_json::from_value(answer).map_err(|error| {
        let detail = format!("the answer about the image is not one that memdeck understands ({error})");
        Problem::new(ProblemKind::Unavailable, detail)
    })
}
