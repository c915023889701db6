//! Iterators over pages and items.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use serde::de::DeserializeOwned;
use ureq::http::Method;

use super::{ListRequest, Page};
use crate::error::Error;
use crate::http::cancel::Cancel;
use crate::request::{Decode, Request};

/// An iterator over the pages of a list. It ends after an error.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = bimpeai::emulator::Emulator::start()?;
/// # let client = emulator.client_builder().build()?;
/// for page in client.workflows().list().limit(5).pages() {
///     let page = page?;
///     println!("{} workflows", page.data.len());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Pages<T> {
    state: PagesState<T>,
    prefetch: bool,
}

enum PagesState<T> {
    /// The next page is fetched when it is needed.
    Request(Box<ListRequest<T>>),
    /// A thread fetches ahead. The lock is for `Sync` alone: nobody ever waits for it.
    Ahead(Mutex<Ahead<T>>),
    /// A call whose response is not paginated, sent once.
    Single(Box<Request<Vec<T>>>),
    Done,
}

impl<T> Pages<T> {
    /// The only page of a call whose response is not paginated.
    pub(crate) fn single(request: Request<Vec<T>>) -> Self {
        Pages {
            prefetch: false,
            state: PagesState::Single(Box::new(request)),
        }
    }

    /// The pages from `next` on.
    pub(super) fn from(next: Option<Box<ListRequest<T>>>) -> Self {
        Pages {
            prefetch: next.as_ref().is_some_and(|request| request.prefetch),
            state: next.map_or(PagesState::Done, PagesState::Request),
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Iterator for Pages<T> {
    type Item = Result<Page<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let fetched = match std::mem::replace(&mut self.state, PagesState::Done) {
            PagesState::Request(request) if self.prefetch => match Ahead::start(request) {
                Ok(ahead) => {
                    self.state = PagesState::Ahead(Mutex::new(ahead));
                    return self.next();
                }
                // Without a thread, the pages are fetched one after another.
                Err(request) => {
                    self.prefetch = false;
                    request.send()
                }
            },
            PagesState::Request(request) => request.send(),
            PagesState::Ahead(ahead) => {
                let ahead = ahead.into_inner().unwrap_or_else(PoisonError::into_inner);
                let Ok(fetched) = ahead.pages.recv() else {
                    ahead.finish();
                    return None;
                };
                self.state = PagesState::Ahead(Mutex::new(ahead));
                fetched
            }
            PagesState::Single(request) => request.send_with_response().map(|response| Page {
                data: response.data,
                meta: None,
                request_id: response.request_id,
                next: None,
            }),
            PagesState::Done => return None,
        };
        let page = match fetched {
            Ok(page) => page,
            Err(error) => {
                self.state = PagesState::Done;
                return Some(Err(error));
            }
        };
        if !self.prefetch {
            self.state = Pages::from(page.following()).state;
        }
        Some(Ok(page))
    }
}

impl<T: DeserializeOwned + Send + 'static> FusedIterator for Pages<T> {}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// Iterates over the items of the response.
impl<T: DeserializeOwned + Send + 'static> IntoIterator for Request<Vec<T>> {
    type Item = Result<T, Error>;
    type IntoIter = Items<T>;

    /// Iterates over the items of the response.
    ///
    /// If the JSON response to a `GET` announces more pages (in its field `meta`), iteration
    /// fetches them too.
    fn into_iter(self) -> Items<T> {
        let is_list =
            self.operation.method == Method::GET && matches!(self.decode, Decode::Data(_));
        let pages = if is_list {
            // The items may be of any type, and have no id that is known here.
            ListRequest::from_operation(self.http, self.operation, |_| "").pages()
        } else {
            Pages::single(self)
        };
        Items::new(Vec::new(), pages)
    }
}

/// A thread that fetches the next page while the caller works on the current one.
struct Ahead<T> {
    pages: Receiver<Result<Page<T>, Error>>,
    cancel: Arc<Cancel>,
    thread: Option<JoinHandle<()>>,
}

impl<T: DeserializeOwned + Send + 'static> Ahead<T> {
    /// Returns the request if no thread can be started.
    fn start(request: Box<ListRequest<T>>) -> Result<Self, Box<ListRequest<T>>> {
        // The thread waits with a page until it is taken, so it is never further ahead.
        let (sender, pages) = sync_channel(0);
        let cancel = Arc::new(Cancel::default());
        let dependent: Weak<Cancel> = Arc::downgrade(&cancel);
        request.http.shutdown.add(dependent);
        let cancelled = cancel.clone();
        let first = request.clone();
        let thread = std::thread::Builder::new()
            .name("bimpeai-prefetch".to_owned())
            .spawn(move || {
                let mut next = Some(first);
                while let Some(request) = next.take() {
                    let fetched = request.fetch(&cancelled).map(|response| response.data);
                    if let Ok(page) = &fetched {
                        next = page.following();
                    }
                    if sender.send(fetched).is_err() {
                        return;
                    }
                }
            });
        match thread {
            Ok(thread) => Ok(Ahead {
                pages,
                cancel,
                thread: Some(thread),
            }),
            Err(_) => Err(request),
        }
    }

    /// Joins a thread that has ended. Its panic becomes the caller's: without it, the list would
    /// seem to be complete.
    fn finish(mut self) {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// An iterator over the items of all pages of a list. It ends after an error.
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// let agents = client.agents().list().limit(100);
/// let mut first_ten = agents.into_iter().take(10);
/// while let Some(agent) = first_ten.next().transpose()? {
///     println!("{}", agent.name);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Items<T> {
    /// What is left of the current page.
    items: VecDeque<T>,
    pages: Pages<T>,
}

impl<T> Items<T> {
    /// These items, and then those of the pages.
    pub(crate) fn new(items: Vec<T>, pages: Pages<T>) -> Self {
        Items {
            pages,
            items: items.into(),
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> Iterator for Items<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Some(Ok(item));
            }
            match self.pages.next()? {
                Ok(page) => self.items = page.data.into(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl<T: DeserializeOwned + Send + 'static> FusedIterator for Items<T> {}

impl<T> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::Client;
    use crate::http::path::Path;
    use crate::http::tests::support::Server;

    #[test]
    fn a_panic_while_fetching_ahead_is_the_callers_and_no_silent_end() {
        struct Picky;

        static SEEN: AtomicUsize = AtomicUsize::new(0);

        impl<'de> serde::Deserialize<'de> for Picky {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                serde::de::IgnoredAny::deserialize(from)?;
                assert!(
                    SEEN.fetch_add(1, Ordering::SeqCst) < 1,
                    "a type's own panic"
                );
                Ok(Picky)
            }
        }

        let server = Server::responding(|connection, request, _| {
            let page = request.query("page").unwrap_or_default();
            let meta = format!(r#"{{"current_page":{page},"has_next_page":true}}"#);
            connection.respond(200, &[], format!(r#"{{"data":[1],"meta":{meta}}}"#));
        });
        let client = Client::builder("sk_1")
            .base_url(server.url())
            .build()
            .unwrap();
        let list = ListRequest::<Picky>::new(&client, Path::new("agents"), |_| "").prefetch();
        let walk = std::thread::spawn(move || list.into_iter().count());
        let panic = walk.join().unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a type's own panic"));
    }
}
