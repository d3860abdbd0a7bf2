use std::{fmt, sync::Arc};

use super::ConfigError;

/// The name of what is locked: any text that is not empty.
///
/// Nodes use it as their key as it is, so that all clients that follow the Redis documentation
/// exclude each other. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(Arc<str>);

impl Resource {
    /// The resource of this name.
    ///
    /// # Errors
    ///
    /// [`ConfigError::EmptyResource`] if the name is empty.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, ConfigError> {
        let name = name.into();
        if name.is_empty() { Err(ConfigError::EmptyResource) } else { Ok(Self(name)) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource whose name is this text and then this name.
    pub(crate) fn after(&self, text: &str) -> Self {
        Self([text, &self.0].concat().into())
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<&str> for Resource {
    type Error = ConfigError;

    fn try_from(name: &str) -> Result<Self, ConfigError> {
        Self::new(name)
    }
}

impl TryFrom<&String> for Resource {
    type Error = ConfigError;

    fn try_from(name: &String) -> Result<Self, ConfigError> {
        Self::new(name.as_str())
    }
}

impl TryFrom<String> for Resource {
    type Error = ConfigError;

    fn try_from(name: String) -> Result<Self, ConfigError> {
        Self::new(name)
    }
}

impl From<&Self> for Resource {
    fn from(resource: &Self) -> Self {
        resource.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_but_none_is_a_resource() {
        for name in ["a", "orders:42", "{tag}*?[x]", " ", "ключ", "\0\n"] {
            assert_eq!(Resource::try_from(name).unwrap().as_str(), name);
        }
        assert_eq!(Resource::try_from(""), Err(ConfigError::EmptyResource));
        assert_eq!(Resource::try_from(String::new()), Err(ConfigError::EmptyResource));
    }

    #[test]
    fn it_reads_as_its_name() {
        let resource = Resource::try_from(&String::from("a\"b")).unwrap();
        assert_eq!(resource.to_string(), "a\"b");
        assert_eq!(format!("{resource:?}"), r#""a\"b""#);
    }
}
