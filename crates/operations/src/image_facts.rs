//! Everything that is known of an image, as the page shows it.

use memdeck_model::{ImageFacts, Problem, ProblemKind};

use crate::{Caller, Images};

impl Images {
    /// The image and its manifest. If the image cannot be read and its manifest can, the manifest, and why there is no
    /// more.
    ///
    /// # Errors
    /// Neither can be read, or the dump service that has them does not answer.
    pub async fn facts(&self, dump_id: &str, caller: &Caller) -> Result<ImageFacts, Problem> {
        match self.inspect(dump_id, caller).await {
            Ok(inspection) => Ok(ImageFacts::Inspected(Box::new(inspection.read()?))),
            Err(problem) if matches!(problem.kind, ProblemKind::Gone | ProblemKind::Conflict) => {
                match self.manifest(dump_id, caller).await {
                    Ok(manifest) => Ok(ImageFacts::ManifestAlone(Box::new(manifest.read()?), problem)),
                    Err(_) => Err(problem),
                }
            }
            Err(problem) => Err(problem),
        }
    }
}
