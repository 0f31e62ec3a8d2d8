//! What is inside of guests, out of their images: read where the image is, and kept there.
//!
//! It is memory of a guest in other words, so it is for those who may read memory. The audit notes who asked for it, and who got
//! it; the host that reads the image notes how that ended.

use memdeck_model::audit::{AuditAction, AuditResult};
use memdeck_model::{
    ComparedReading, InsideChanges, InsideComparison, InsideReading, InsideState, Permission, Problem,
};

use crate::audit::Deed;
use crate::images::about;
use crate::{Caller, ImageRef, Images};

impl Images {
    /// What was read out of the image of a dump, or how far that is.
    ///
    /// # Errors
    /// There is no such image, its host does not answer, or it cannot be noted who gets it.
    pub async fn inside(&self, dump_id: &str, caller: &Caller) -> Result<InsideReading, Problem> {
        caller.must(Permission::ReadMemory)?;
        let image = self.present(dump_id, caller).await?;
        let reading = self.host_of(&image)?.inside(image.clone()).await?;
        self.handed_out(&image, reading, caller).await
    }

    /// Begins to read what is inside of a guest out of the image of its dump, unless that was done or goes on. The present state
    /// of it.
    ///
    /// # Errors
    /// There is no such image, too many wait to be read, or its host cannot read it or does not answer.
    pub async fn read_inside(&self, dump_id: &str, caller: &Caller) -> Result<InsideReading, Problem> {
        caller.must(Permission::ReadMemory)?;
        let image = self.present(dump_id, caller).await?;
        let reading = self.begin_reading(&image, caller).await?;
        self.handed_out(&image, reading, caller).await
    }

    /// What came and went inside of a guest between two dumps, once both images were read. With `begin`, those are read that were
    /// not.
    ///
    /// # Errors
    /// As of [`Self::inside`]; and of [`Self::read_inside`] with `begin`.
    pub async fn compare_inside(
        &self,
        first: &str,
        second: &str,
        begin: bool,
        caller: &Caller,
    ) -> Result<InsideComparison, Problem> {
        caller.must(Permission::ReadMemory)?;
        let images = [self.present(first, caller).await?, self.present(second, caller).await?];
        let mut readings = Vec::with_capacity(images.len());
        for image in &images {
            let mut reading = self.host_of(image)?.inside(image.clone()).await?;
            if begin && matches!(reading.state, InsideState::None | InsideState::Failed) {
                reading = self.begin_reading(image, caller).await?;
            }
            readings.push(reading);
        }
        let changes = match readings.as_slice() {
            [InsideReading { inside: Some(first), .. }, InsideReading { inside: Some(second), .. }] => {
                Some(Box::new(InsideChanges::between(first, second)))
            }
            _ => None,
        };
        if changes.is_some() {
            for image in &images {
                let deed = Deed::new(AuditAction::InsideShown, about(image));
                self.audit().note(caller, deed, AuditResult::Succeeded).await?;
            }
        }
        let mut compared = readings
            .into_iter()
            .map(|InsideReading { dump_id, state, problem, .. }| ComparedReading { dump_id, state, problem });
        let (Some(first), Some(second)) = (compared.next(), compared.next()) else {
            unreachable!("two images were read");
        };
        Ok(InsideComparison { first, second, changes })
    }

    async fn begin_reading(&self, image: &ImageRef, caller: &Caller) -> Result<InsideReading, Problem> {
        let host = self.host_of(image)?;
        let deed = Deed::new(AuditAction::InsideRequested, about(image));
        let asked = host.read_inside(image.clone(), &caller.actor);
        self.audit().around(caller, deed, asked).await
    }

    async fn handed_out(
        &self,
        image: &ImageRef,
        reading: InsideReading,
        caller: &Caller,
    ) -> Result<InsideReading, Problem> {
        if reading.inside.is_some() {
            let deed = Deed::new(AuditAction::InsideShown, about(image));
            self.audit().note(caller, deed, AuditResult::Succeeded).await?;
        }
        Ok(reading)
    }
}
