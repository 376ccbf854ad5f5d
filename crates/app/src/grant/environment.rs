//! Environment variables of a component.

/// Which variables a component sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvironmentGrant {
    /// Variables with their values, in the order given; a later one of the same name wins.
    pub variables: Vec<(String, String)>,
}

impl EnvironmentGrant {
    /// Sets a variable; an earlier value of the same name is replaced where it stands.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.variables.push((name.to_owned(), value.to_owned())),
        }
    }
}
