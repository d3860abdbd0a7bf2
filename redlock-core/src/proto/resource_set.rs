use std::{fmt, slice, sync::Arc};

use super::{ConfigError, Resource};

/// What one lock locks: one resource, or several together; each once, in one order for everybody.
///
/// Two sets are equal if their resources are, one by one: `["a", "bc"]` is not `["ab", "c"]`. Cheap
/// to clone, and a set of one costs no more than that resource.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceSet(Members);

/// Never `Many` of one, so that equal sets are made alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Members {
    One(Resource),
    /// All of them; the first also by itself, so that there is one for certain.
    Many(Resource, Arc<[Resource]>),
}

impl ResourceSet {
    /// The set of these resources; one that is named twice is in it once.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoResources`] if there is none.
    pub fn new(resources: impl IntoIterator<Item = Resource>) -> Result<Self, ConfigError> {
        let mut resources: Vec<_> = resources.into_iter().collect();
        resources.sort_unstable();
        resources.dedup();
        match resources.first().cloned() {
            None => Err(ConfigError::NoResources),
            Some(only) if resources.len() == 1 => Ok(only.into()),
            Some(first) => Ok(Self(Members::Many(first, resources.into()))),
        }
    }

    /// The resources, in the order of their names.
    #[must_use]
    pub fn as_slice(&self) -> &[Resource] {
        match &self.0 {
            Members::One(only) => slice::from_ref(only),
            Members::Many(_, all) => all,
        }
    }

    /// The resources, in the order of their names.
    pub fn iter(&self) -> slice::Iter<'_, Resource> {
        self.as_slice().iter()
    }

    /// The one whose name comes first.
    #[must_use]
    pub const fn first(&self) -> &Resource {
        match &self.0 {
            Members::One(first) | Members::Many(first, _) => first,
        }
    }

    /// The only one; `None` if there are several.
    #[must_use]
    pub const fn only(&self) -> Option<&Resource> {
        match &self.0 {
            Members::One(only) => Some(only),
            Members::Many(..) => None,
        }
    }

    /// How many they are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether this resource is one of them.
    #[must_use]
    pub fn contains(&self, resource: &Resource) -> bool {
        self.as_slice().binary_search(resource).is_ok()
    }

    /// The set of the resources whose names are this text and then one of these names.
    pub(crate) fn after(&self, text: &str) -> Self {
        Self(match &self.0 {
            Members::One(only) => Members::One(only.after(text)),
            // In the same order: what differs comes after what is the same.
            Members::Many(first, all) => Members::Many(
                first.after(text),
                all.iter().map(|resource| resource.after(text)).collect(),
            ),
        })
    }
}

impl From<Resource> for ResourceSet {
    fn from(resource: Resource) -> Self {
        Self(Members::One(resource))
    }
}

impl From<&Self> for ResourceSet {
    fn from(resources: &Self) -> Self {
        resources.clone()
    }
}

impl<'a> IntoIterator for &'a ResourceSet {
    type Item = &'a Resource;
    type IntoIter = slice::Iter<'a, Resource>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One resource as its name in quotes, several as a set of them.
impl fmt::Debug for ResourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.only() {
            Some(only) => fmt::Debug::fmt(only, f),
            None => f.debug_set().entries(self).finish(),
        }
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
        assert_eq!(set(&[]), Err(ConfigError::NoResources));
    }

    #[test]
    fn a_set_of_one_is_that_resource() {
        let one = Resource::try_from("a").unwrap();
        let set_of_one = set(&["a", "a"]).unwrap();
        assert_eq!(ResourceSet::from(one.clone()), set_of_one);
        assert_eq!((set_of_one.only(), set_of_one.first()), (Some(&one), &one));
        assert_eq!(set_of_one.as_slice(), [one]);
        assert_eq!(format!("{set_of_one:?}"), r#""a""#);
        let both = set(&["b", "a"]).unwrap();
        assert_eq!((both.only(), both.first().as_str()), (None, "a"));
    }
}
