use std::{fmt, sync::Arc};

use super::{ConfigError, Resource};

/// Several resources that are locked together: at least one, each once, in one order for everybody.
///
/// Two sets are equal if their resources are, one by one: `["a", "bc"]` is not `["ab", "c"]`. Cheap
/// to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceSet(Arc<[Resource]>);

impl ResourceSet {
    /// The set of these resources; one that is named twice is in it once.
    ///
    /// # Errors
    ///
    /// [`ConfigError::EmptyResource`] if there is none.
    pub fn new(resources: impl IntoIterator<Item = Resource>) -> Result<Self, ConfigError> {
        let mut resources: Vec<_> = resources.into_iter().collect();
        resources.sort_unstable();
        resources.dedup();
        if resources.is_empty() {
            return Err(ConfigError::EmptyResource);
        }
        Ok(Self(resources.into()))
    }

    /// The resources, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Resource> {
        self.0.iter()
    }

    /// How many they are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether this resource is one of them.
    #[must_use]
    pub fn contains(&self, resource: &Resource) -> bool {
        self.0.binary_search(resource).is_ok()
    }

    /// The set of the resources whose names are this text and then one of these names.
    pub(crate) fn after(&self, text: &str) -> Self {
        // In the same order: what differs comes after what is the same.
        Self(self.iter().map(|resource| resource.after(text)).collect())
    }
}

impl From<Resource> for ResourceSet {
    fn from(resource: Resource) -> Self {
        Self(Arc::new([resource]))
    }
}

impl fmt::Debug for ResourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Result<ResourceSet, ConfigError> {
        ResourceSet::new(names.iter().map(|name| Resource::try_from(*name).unwrap()))
    }

    #[test]
    fn the_order_in_which_they_are_named_does_not_matter() {
        assert_eq!(set(&["b", "a", "b"]), set(&["a", "b"]));
        let both = set(&["b", "a"]).unwrap();
        assert_eq!(both.iter().map(Resource::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(both.len(), 2);
        assert!(both.contains(&Resource::try_from("a").unwrap()));
        assert!(!both.contains(&Resource::try_from("ab").unwrap()));
        assert_eq!(format!("{both:?}"), r#"{"a", "b"}"#);
    }

    #[test]
    fn names_are_never_run_together() {
        assert_ne!(set(&["a", "bc"]), set(&["ab", "c"]));
        assert_ne!(set(&["a", "b"]), set(&["ab"]));
    }

    #[test]
    fn no_resources_are_no_set() {
        assert_eq!(set(&[]), Err(ConfigError::EmptyResource));
        let one = Resource::try_from("a").unwrap();
        assert_eq!(ResourceSet::from(one), set(&["a"]).unwrap());
    }
}
