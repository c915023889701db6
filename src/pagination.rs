//! Lists that come in pages: one page, all pages, or all items.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use serde::de::DeserializeOwned;
use ureq::http::Method;

use crate::client::Client;
use crate::error::Error;
use crate::http::path::{Path, push_query};
use crate::http::retry::Cancel;
use crate::http::{Call, Http, Options, envelope};
use crate::request::{ApiResponse, call_options};

pub use crate::http::envelope::PaginationMeta;

/// A list that is ready to be fetched.
///
/// It iterates over the items of all pages, fetching each page when it is needed:
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// for agent in client.agents().list().limit(50) {
///     println!("{}", agent?.name);
/// }
/// # Ok(())
/// # }
/// ```
///
/// [`send`](ListRequest::send) fetches one page, [`pages`](ListRequest::pages) iterates over pages.
#[must_use = "a request does nothing until it is sent or iterated over"]
pub struct ListRequest<T> {
    http: Arc<Http>,
    path: Path,
    page: u64,
    query: String,
    options: Options,
    prefetch: bool,
    /// How many pages before this one were empty, without a break.
    empty: u32,
    items: PhantomData<fn() -> T>,
}

/// A server that answers with so many empty pages one after another, and promises more, is broken.
const MOST_EMPTY_PAGES: u32 = 10;

impl<T> ListRequest<T> {
    pub(crate) fn new(client: &Client, path: Path) -> Self {
        ListRequest {
            http: client.http().clone(),
            path,
            page: 1,
            query: String::new(),
            options: Options::default(),
            prefetch: false,
            empty: 0,
            items: PhantomData,
        }
    }

    /// The number of the page to start with, from 1.
    pub fn page(mut self, page: u64) -> Self {
        self.page = page;
        self
    }

    /// The size of a page, 1 to 100 items; 20 unless set. The walk goes over all pages all the same.
    pub fn limit(self, limit: u64) -> Self {
        self.filter("limit", limit)
    }

    /// Only items that match this text, at most 255 characters.
    pub fn search(self, text: impl AsRef<str>) -> Self {
        self.filter("search", text.as_ref())
    }

    /// Sorts by a field, at most 64 characters; `-` before it sorts downwards, as in `-created_at`.
    pub fn sort(self, field: impl AsRef<str>) -> Self {
        self.filter("sort", field.as_ref())
    }

    /// Fetches the next page while the caller works on this one.
    ///
    /// One thread a walk; it ends with the walk, or after the page it is fetching when the
    /// iterator is dropped.
    pub fn prefetch(mut self) -> Self {
        self.prefetch = true;
        self
    }

    /// Sets a parameter of the query; one that was set before is replaced.
    pub(crate) fn filter(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        let mut pair = String::new();
        push_query(&mut pair, name, &value.to_string());
        let prefix = format!("{name}=");
        let kept = self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with(&prefix));
        self.query = kept.chain([&pair[1..]]).collect::<Vec<_>>().join("&");
        self
    }

    call_options!();

    fn call(&self) -> Call {
        let mut call = Call::new(Method::GET, self.path.clone());
        push_query(&mut call.query, "page", &self.page.to_string());
        if !self.query.is_empty() {
            call.query.push('&');
            call.query.push_str(&self.query);
        }
        call
    }
}

impl<T: DeserializeOwned> ListRequest<T> {
    /// Fetches one page.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn send(&self) -> Result<Page<T>, Error> {
        self.send_with_response().map(|response| response.data)
    }

    /// Fetches one page and gives it with the status and headers of the answer.
    ///
    /// # Errors
    ///
    /// Those of [`send`](ListRequest::send).
    pub fn send_with_response(&self) -> Result<ApiResponse<Page<T>>, Error> {
        self.fetch(None)
    }

    /// All pages from this one on, each fetched when it is needed.
    pub fn pages(self) -> Pages<T> {
        Pages {
            prefetch: self.prefetch,
            state: PagesState::Request(Box::new(self)),
        }
    }

    fn fetch(&self, cancel: Option<&Cancel>) -> Result<ApiResponse<Page<T>>, Error> {
        let answer = self.http.execute(&self.call(), &self.options, cancel)?;
        let (data, meta) = envelope::page(&answer)?;
        let Some(data) = data else {
            let what = "`data` is missing or null, and a list was due".to_owned();
            return Err(envelope::decode_error(&answer, what, None));
        };
        let empty = if data.is_empty() { self.empty + 1 } else { 0 };
        let next = match &meta {
            Some(meta) if meta.has_next_page && empty > MOST_EMPTY_PAGES => {
                let what = format!("{empty} empty pages came in a row, and more are to follow");
                return Err(envelope::decode_error(&answer, what, None));
            }
            Some(meta) if meta.has_next_page => {
                // A server that gives page 1 again when asked for page 2 would be walked for ever,
                // and one past its own last page has lost count.
                let repeats = meta.current_page < self.page;
                let past = meta.page_count > 0 && meta.current_page > meta.page_count;
                if repeats || past {
                    let what = format!(
                        "page {} of {} came when page {} was asked for, and says that more follow",
                        meta.current_page, meta.page_count, self.page
                    );
                    return Err(envelope::decode_error(&answer, what, None));
                }
                let Some(next) = meta.current_page.checked_add(1) else {
                    let what = "a page follows the last number that there is".to_owned();
                    return Err(envelope::decode_error(&answer, what, None));
                };
                Some(next)
            }
            _ => None,
        };
        let page = Page {
            data,
            meta,
            request_id: answer.request_id.clone(),
            next: next.map(|page| {
                Box::new(ListRequest {
                    page,
                    empty,
                    ..self.clone()
                })
            }),
        };
        Ok(ApiResponse::new(page, answer))
    }
}

impl<T> Clone for ListRequest<T> {
    fn clone(&self) -> Self {
        ListRequest {
            http: self.http.clone(),
            path: self.path.clone(),
            page: self.page,
            query: self.query.clone(),
            options: self.options.clone(),
            prefetch: self.prefetch,
            empty: self.empty,
            items: PhantomData,
        }
    }
}

/// The call it makes; never its headers or key.
impl<T> fmt::Debug for ListRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ListRequest")
            .field(&format_args!("{}", self.call().operation()))
            .finish()
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoIterator for ListRequest<T> {
    type Item = Result<T, Error>;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        Items {
            pages: self.pages(),
            items: VecDeque::new(),
        }
    }
}

/// One page of a list.
///
/// Iterating over it goes on over all pages that follow, as in Python.
#[derive(Clone)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items of this page.
    pub data: Vec<T>,
    /// Where it stands among the list; some lists of the API have none.
    pub meta: Option<PaginationMeta>,
    /// The id of the request that fetched it.
    pub request_id: Option<String>,
    next: Option<Box<ListRequest<T>>>,
}

impl<T> Page<T> {
    /// Whether a page follows.
    pub fn has_next_page(&self) -> bool {
        self.next.is_some()
    }
}

impl<T: DeserializeOwned> Page<T> {
    /// Fetches the page that follows; `None` after the last.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn get_next_page(&self) -> Result<Option<Page<T>>, Error> {
        self.next.as_ref().map(|next| next.send()).transpose()
    }
}

impl<T: fmt::Debug> fmt::Debug for Page<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("data", &self.data)
            .field("meta", &self.meta)
            .field("request_id", &self.request_id)
            .finish()
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoIterator for Page<T> {
    type Item = Result<T, Error>;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        Items {
            pages: Pages::after(self.next),
            items: self.data.into(),
        }
    }
}

/// The pages of a list; ends after an error.
pub struct Pages<T> {
    state: PagesState<T>,
    prefetch: bool,
}

enum PagesState<T> {
    /// The next page is fetched when it is asked for.
    Request(Box<ListRequest<T>>),
    /// A thread fetches ahead.
    Ahead(Ahead<T>),
    Done,
}

impl<T> Pages<T> {
    fn after(next: Option<Box<ListRequest<T>>>) -> Self {
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
                    self.state = PagesState::Ahead(ahead);
                    return self.next();
                }
                // No thread to be had: the walk goes on without one.
                Err(request) => {
                    self.prefetch = false;
                    request.send()
                }
            },
            PagesState::Request(request) => request.send(),
            PagesState::Ahead(ahead) => {
                let Ok(fetched) = ahead.pages.recv() else {
                    ahead.finish();
                    return None;
                };
                self.state = PagesState::Ahead(ahead);
                fetched
            }
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
            self.state = Pages::after(page.next.clone()).state;
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

/// A thread that fetches the next page while the caller works on this one.
struct Ahead<T> {
    pages: Receiver<Result<Page<T>, Error>>,
    cancel: Arc<Cancel>,
    thread: Option<JoinHandle<()>>,
}

impl<T: DeserializeOwned + Send + 'static> Ahead<T> {
    /// Gives the request back where no thread can be had.
    fn start(request: Box<ListRequest<T>>) -> Result<Self, Box<ListRequest<T>>> {
        // The thread waits with a page until it is taken: it is never further ahead.
        let (sender, pages) = sync_channel(0);
        let cancel = Arc::new(Cancel::default());
        let cancelled = cancel.clone();
        let first = request.clone();
        let thread = std::thread::Builder::new()
            .name("bimpeai-prefetch".to_owned())
            .spawn(move || {
                let mut next = Some(first);
                while let Some(request) = next.take() {
                    let fetched = request
                        .fetch(Some(&cancelled))
                        .map(|response| response.data);
                    if let Ok(page) = &fetched {
                        next.clone_from(&page.next);
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

    /// Ends a walk whose thread has ended; its panic, if it had one, is the caller's, for without
    /// it the list would seem to end here.
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

/// The items of all pages of a list; ends after an error.
pub struct Items<T> {
    pages: Pages<T>,
    items: VecDeque<T>,
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

        let server = Server::answering(|connection, request, _| {
            let page = request.query("page").unwrap_or_default();
            let meta = format!(r#"{{"current_page":{page},"has_next_page":true}}"#);
            connection.answer(200, &[], format!(r#"{{"data":[1],"meta":{meta}}}"#));
        });
        let client = Client::builder("sk_1")
            .base_url(server.url())
            .build()
            .unwrap();
        let list = ListRequest::<Picky>::new(&client, Path::new("agents")).prefetch();
        let walk = std::thread::spawn(move || list.into_iter().count());
        let panic = walk.join().unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a type's own panic"));
    }
}
