//! Items in the order of creation, found by id.

use std::collections::HashMap;

pub(super) struct Table<T> {
    items: Vec<T>,
    positions: HashMap<String, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            items: Vec::new(),
            positions: HashMap::new(),
        }
    }
}

impl<T> Table<T> {
    pub(super) fn add(&mut self, id: &str, item: T) {
        self.positions.insert(id.to_owned(), self.items.len());
        self.items.push(item);
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.items.get(self.position(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let position = self.position(id)?;
        self.items.get_mut(position)
    }

    /// Position in the order of creation.
    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.positions.get(id).copied()
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        let position = self.positions.remove(id)?;
        for later in self.positions.values_mut().filter(|at| **at > position) {
            *later -= 1;
        }
        Some(self.items.remove(position))
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    pub(super) fn items_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}
