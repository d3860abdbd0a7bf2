//! The port of whatever is asked in [`Command`](crate::command::Command)s.

/// Implements [`LockNode`](redlock_core::LockNode),
/// [`Notifications`](redlock_core::Notifications), [`Fencing`](redlock_core::Fencing),
/// [`Sets`](redlock_core::Sets), [`Survey`](redlock_core::Survey),
/// [`Witness`](redlock_core::Witness) and [`Accord`](redlock_core::Accord) for a way to a
/// [`MemoryNode`](crate::MemoryNode), which must have three methods:
///
/// * `memory(&self) -> &MemoryNode`: where it leads to;
/// * `async call(&self, Command) -> Result<Answer, NodeError>`: how to go there;
/// * `inbox(&self, &Resource) -> Inbox`: where notices are found that come back.
macro_rules! asked_in_commands {
    ($node:ty) => {
        // A method that is added to the port and forgotten here would bypass the way.
        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl redlock_core::LockNode for $node {
            fn label(&self) -> &str {
                self.memory().name()
            }

            /// Differs for each node, and for each start of it, as the `run_id` of Redis does.
            fn identity(&self) -> Option<redlock_core::Identity> {
                Some(self.memory().number_of_this_start())
            }

            /// Unless the node is [mute](MemoryNode::mute).
            fn notifications(&self) -> Option<&dyn redlock_core::Notifications> {
                (!self.memory().is_mute()).then_some(self)
            }

            /// Unless the node [cannot count](MemoryNode::stop_counting).
            fn fencing(&self) -> Option<&dyn redlock_core::Fencing> {
                self.memory().counts().then_some(self)
            }

            /// Unless the node [cannot take sets](MemoryNode::take_one_at_a_time).
            fn sets(&self) -> Option<&dyn redlock_core::Sets> {
                self.memory().takes_sets().then_some(self)
            }

            fn survey(&self) -> Option<&dyn redlock_core::Survey> {
                Some(self)
            }

            fn witness(&self) -> Option<&dyn redlock_core::Witness> {
                Some(self)
            }

            fn accord(&self) -> Option<&dyn redlock_core::Accord> {
                Some(self)
            }

            async fn acquire(
                &self,
                resource: &redlock_core::Resource,
                token: &redlock_core::Token,
                ttl: redlock_core::Ttl,
            ) -> Result<redlock_core::Vote, redlock_core::NodeError> {
                let command = Command::Acquire(resource.clone(), token.clone(), ttl);
                self.call(command).await.map(Answer::vote)
            }

            async fn extend(
                &self,
                resource: &redlock_core::Resource,
                token: &redlock_core::Token,
                ttl: redlock_core::Ttl,
            ) -> Result<redlock_core::Vote, redlock_core::NodeError> {
                let command = Command::Extend(resource.clone(), token.clone(), ttl);
                self.call(command).await.map(Answer::vote)
            }

            async fn release(
                &self,
                resource: &redlock_core::Resource,
                token: &redlock_core::Token,
            ) -> Result<redlock_core::Vote, redlock_core::NodeError> {
                let command = Command::Release(resource.clone(), token.clone());
                self.call(command).await.map(Answer::vote)
            }

            async fn inspect(
                &self,
                resource: &redlock_core::Resource,
            ) -> Result<redlock_core::Inspection, redlock_core::NodeError> {
                let command = Command::Inspect(resource.clone());
                self.call(command).await.map(Answer::inspection)
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl redlock_core::Notifications for $node {
            async fn release_and_notify(
                &self,
                resource: &redlock_core::Resource,
                token: &redlock_core::Token,
            ) -> Result<redlock_core::Announced, redlock_core::NodeError> {
                let command = Command::ReleaseAndNotify(resource.clone(), token.clone());
                self.call(command).await.map(Answer::announced)
            }

            async fn notify(
                &self,
                resource: &redlock_core::Resource,
            ) -> Result<(), redlock_core::NodeError> {
                let command = Command::Notify(resource.clone());
                self.call(command).await.map(drop)
            }

            async fn subscribe(
                &self,
                resource: &redlock_core::Resource,
            ) -> Result<
                futures::stream::BoxStream<'static, redlock_core::Notice>,
                redlock_core::NodeError,
            > {
                // Dropped with this future, it takes the subscription with it.
                let inbox = self.inbox(resource);
                let command = Command::Subscribe(resource.clone(), inbox.subscriber());
                self.call(command).await?;
                Ok(Box::pin(inbox))
            }
        }

        #[deny(clippy::missing_trait_methods)]
        impl redlock_core::Witness for $node {
            fn remembers(&self) -> Option<std::time::Duration> {
                self.memory().time_since_start()
            }

            fn clock_steps(&self, heard: u64) -> Vec<redlock_core::ClockStep> {
                self.memory().clock_steps_after(heard)
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl redlock_core::Fencing for $node {
            async fn acquire_counted(
                &self,
                resource: &redlock_core::Resource,
                token: &redlock_core::Token,
                ttl: redlock_core::Ttl,
                hint: redlock_core::Fence,
            ) -> Result<redlock_core::Vote, redlock_core::NodeError> {
                let command = Command::AcquireCounted(resource.clone(), token.clone(), ttl, hint);
                self.call(command).await.map(Answer::vote)
            }

            async fn raise(
                &self,
                resource: &redlock_core::Resource,
                token: &redlock_core::Token,
                fence: redlock_core::Fence,
            ) -> Result<redlock_core::Vote, redlock_core::NodeError> {
                let command = Command::Raise(resource.clone(), token.clone(), fence);
                self.call(command).await.map(Answer::vote)
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl redlock_core::Survey for $node {
            async fn list(
                &self,
                prefix: &str,
                from: Option<&redlock_core::Cursor>,
            ) -> Result<redlock_core::Page, redlock_core::NodeError> {
                let command = Command::List(prefix.into(), from.cloned());
                self.call(command).await.map(Answer::page)
            }

            async fn reset(
                &self,
                resource: &redlock_core::Resource,
            ) -> Result<Option<redlock_core::Token>, redlock_core::NodeError> {
                let command = Command::Reset(resource.clone());
                self.call(command).await.map(Answer::reset)
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl redlock_core::Accord for $node {
            async fn agree(
                &self,
                name: &redlock_core::Resource,
                terms: &str,
            ) -> Result<String, redlock_core::NodeError> {
                let command = Command::Agree(name.clone(), terms.into());
                self.call(command).await.map(Answer::terms)
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl redlock_core::Sets for $node {
            async fn acquire_all(
                &self,
                resources: &redlock_core::ResourceSet,
                token: &redlock_core::Token,
                ttl: redlock_core::Ttl,
            ) -> Result<redlock_core::Vote, redlock_core::NodeError> {
                let command = Command::AcquireAll(resources.clone(), token.clone(), ttl);
                self.call(command).await.map(Answer::vote)
            }

            async fn extend_all(
                &self,
                resources: &redlock_core::ResourceSet,
                token: &redlock_core::Token,
                ttl: redlock_core::Ttl,
            ) -> Result<redlock_core::Vote, redlock_core::NodeError> {
                let command = Command::ExtendAll(resources.clone(), token.clone(), ttl);
                self.call(command).await.map(Answer::vote)
            }

            async fn release_all(
                &self,
                resources: &redlock_core::ResourceSet,
                token: &redlock_core::Token,
            ) -> Result<redlock_core::Vote, redlock_core::NodeError> {
                let command = Command::ReleaseAll(resources.clone(), token.clone());
                self.call(command).await.map(Answer::vote)
            }

            async fn release_all_and_notify(
                &self,
                resources: &redlock_core::ResourceSet,
                token: &redlock_core::Token,
            ) -> Result<redlock_core::Announced, redlock_core::NodeError> {
                let command = Command::ReleaseAllAndNotify(resources.clone(), token.clone());
                self.call(command).await.map(Answer::announced)
            }
        }
    };
}

pub(crate) use asked_in_commands;
