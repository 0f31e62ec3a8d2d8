//! What is inside of the guests whose images an agent keeps: it reads them, where its version can.

use memdeck_model::{Actor, InsideProblem, InsideProblemKind, InsideReading, OnBehalf, Problem, ProblemKind};
use memdeck_operations::ImageRef;
use reqwest::Method;

use super::AgentImages;

impl AgentImages {
    /// One that cannot read images is not asked; what is answered says so.
    pub(super) async fn ask_inside(&self, image: ImageRef) -> Result<InsideReading, Problem> {
        if let Some(problem) = self.why_it_cannot_read().await? {
            return Ok(InsideReading::failed(image.dump_id, problem));
        }
        self.client.image_call(Method::GET, &image.dump_id, Some("inside"), None::<&()>).await
    }

    pub(super) async fn ask_to_read(&self, image: ImageRef, by: &Actor) -> Result<InsideReading, Problem> {
        if let Some(problem) = self.why_it_cannot_read().await? {
            return Err(Problem::new(ProblemKind::Conflict, problem.message));
        }
        let request = OnBehalf { by: self.passed_on(by).await? };
        self.client.image_call(Method::POST, &image.dump_id, Some("inside"), Some(&request)).await
    }

    async fn why_it_cannot_read(&self) -> Result<Option<InsideProblem>, Problem> {
        let capabilities = self.client.capabilities().await.map_err(|error| self.client.problem(&error))?;
        if capabilities.inside {
            return Ok(None);
        }
        let sentence = format!(
            "the dump service {}, which has the image, cannot read what is inside of it; install this version of memdeck there, \
             or run `memdeck inside` on a copy of the image",
            self.client.url()
        );
        Ok(Some(InsideProblem::new(InsideProblemKind::Service, sentence)))
    }
}
