//! Things in the order they were added, found by id.

use std::collections::HashMap;

pub(super) struct Shelf<T> {
    items: Vec<T>,
    places: HashMap<String, usize>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf {
            items: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> Shelf<T> {
    pub(super) fn add(&mut self, id: &str, item: T) {
        self.places.insert(id.to_owned(), self.items.len());
        self.items.push(item);
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.items.get(self.place(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let place = self.place(id)?;
        self.items.get_mut(place)
    }

    /// Where in the order it stands.
    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        let place = self.places.remove(id)?;
        for later in self.places.values_mut().filter(|at| **at > place) {
            *later -= 1;
        }
        Some(self.items.remove(place))
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }

    pub(super) fn items_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}
