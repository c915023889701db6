//! Paginated lists: one page, all pages, or all items.

mod iter;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use ureq::http::{HeaderValue, Method};

use crate::client::Client;
use crate::error::Error;
use crate::headers::REQUEST_ID;
use crate::http::cancel::Cancel;
use crate::http::headers::LONGEST_ID;
use crate::http::operation::IDEMPOTENCY_KEY;
use crate::http::path::{Path, push_query};
use crate::http::{Http, Operation, envelope};
use crate::request::{ApiResponse, call_options};

pub use crate::http::envelope::PaginationMeta;
pub use iter::{Items, Pages};

/// A paginated list, ready to be fetched.
///
/// Iterating over it yields the items of all pages and fetches each page when it is needed:
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
/// * [`send`](ListRequest::send) fetches one page, [`pages`](ListRequest::pages) iterates over
///   pages.
/// * [`first`](ListRequest::first) and [`find`](ListRequest::find) return one item,
///   [`all`](ListRequest::all) returns every item in a `Vec`.
/// * An error ends the iteration. Its message names the page, except for the first one.
///
/// # Deleting or creating while listing
///
/// Pages are addressed by number. Each deletion shifts all later items by one, so an iteration in
/// progress skips one item for each deletion. Collect the list with [`all`](ListRequest::all)
/// before deleting:
///
/// ```no_run
/// # fn main() -> Result<(), bimpeai::Error> {
/// # let client = bimpeai::Client::from_env()?;
/// for agent in client.agents().list().search("Test").all()? {
///     client.agents().delete(&agent.id).send()?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// If an item is created meanwhile, others may shift to the next page. An item that the previous
/// page already had is not yielded again; items are compared by their ids.
#[doc(alias = "pagination")]
#[must_use = "a request does nothing until it is sent or iterated over"]
pub struct ListRequest<T> {
    http: Arc<Http>,
    operation: Operation,
    /// The number of the page to request; without one the server chooses.
    page: Option<u64>,
    /// The other parameters of the query, each as an encoded `name=value`.
    filters: Vec<String>,
    /// The caller's request id, from which each page has its own.
    request_id: Option<String>,
    prefetch: bool,
    /// The id of an item; empty if it has none.
    id: fn(&T) -> &str,
    /// The ids of the previous page; `None` on a request that follows no page.
    previous: Option<Arc<HashSet<String>>>,
    /// The number of consecutive pages before this one that brought no new item.
    fruitless: u32,
}

impl<T> ListRequest<T> {
    /// Sets the number of the first page to fetch. Default: 1.
    pub fn page(mut self, page: u64) -> Self {
        self.page = Some(page);
        self
    }

    /// Sets the number of items in a page. Range: 1–100. Default: 20.
    ///
    /// Iteration covers all pages, whatever their size.
    pub fn limit(self, limit: u64) -> Self {
        self.filter("limit", limit)
    }

    /// Returns only items that contain this text. Maximum 255 characters. The API decides which
    /// fields it searches.
    ///
    /// To find a conversation by phone number, search for the digits: the API stores them without
    /// the plus sign.
    pub fn search(self, text: impl AsRef<str>) -> Self {
        self.filter("search", text.as_ref())
    }

    /// Sorts by a field of the items, such as `name` or `created_at`. Maximum 64 characters.
    /// Default: the API's order.
    ///
    /// A leading `-` sorts in descending order: `-created_at`.
    #[doc(alias = "descending")]
    #[doc(alias = "order")]
    pub fn sort(self, field: impl AsRef<str>) -> Self {
        self.filter("sort", field.as_ref())
    }

    /// Fetches the next page while the caller works on the current one.
    ///
    /// Each iteration uses one background thread. It ends with the iteration. If the iterator is
    /// dropped, the thread ends after the page that it is fetching.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// for agent in client.agents().list().limit(100).prefetch() {
    ///     println!("{}", agent?.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "read ahead")]
    pub fn prefetch(mut self) -> Self {
        self.prefetch = true;
        self
    }

    /// Sets the request id, which the server logs and returns.
    ///
    /// 1 to 255 visible ASCII characters. Default: a random UUID for each page. Each page is a
    /// request of its own: the first one carries `id`, page 2 carries `id-2`, and so on.
    pub fn request_id(mut self, id: impl AsRef<str>) -> Self {
        self.operation.set_request_id(id.as_ref());
        self.request_id = Some(id.as_ref().to_owned());
        self
    }

    /// Sets a header. It replaces a header of the same name that the client sends.
    ///
    /// `X-Request-Id` sets [`request_id`](ListRequest::request_id). `Idempotency-Key` is
    /// refused, because a list does not write. So are the headers that
    /// [`Request::header`](crate::request::Request::header) refuses.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name.eq_ignore_ascii_case(REQUEST_ID.as_str()) {
            return self.request_id(value);
        }
        if name.eq_ignore_ascii_case(IDEMPOTENCY_KEY.as_str()) {
            self.operation.refuse(
                "the header \"Idempotency-Key\" is for writes, and a list only reads; remove it",
            );
            return self;
        }
        self.operation.set_header(name, value);
        self
    }

    call_options!();
}

impl<T: DeserializeOwned> ListRequest<T> {
    /// Fetches one page.
    ///
    /// # Errors
    ///
    /// See [`Error`]. If the server returns a page other than the requested one, the error is
    /// [`Error::Decode`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let emulator = bimpeai::emulator::Emulator::start()?;
    /// # let client = emulator.client_builder().build()?;
    /// let page = client.workflows().list().limit(5).page(2).send()?;
    /// if let Some(meta) = &page.meta {
    ///     println!("page {} of {}", meta.current_page, meta.page_count);
    ///     println!("{} workflows in all", meta.total_count);
    /// }
    /// for workflow in page.data {
    ///     println!("{}", workflow.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(&self) -> Result<Page<T>, Error> {
        self.send_with_response().map(|response| response.data)
    }

    /// Fetches one page and returns it with the status and headers of the response.
    ///
    /// # Errors
    ///
    /// Those of [`send`](ListRequest::send).
    pub fn send_with_response(&self) -> Result<ApiResponse<Page<T>>, Error> {
        self.fetch(&self.http.shutdown)
    }

    /// Iterates over the pages, starting with the one that [`page`](Self::page) sets. Each is
    /// fetched when it is needed.
    ///
    /// Yields `Result<Page<T>, Error>`. Items that the previous page already had are removed.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// for page in client.agents().list().limit(100).pages() {
    ///     let page = page?;
    ///     println!("{} agents", page.data.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pages(self) -> Pages<T> {
        Pages::from(Some(Box::new(self)))
    }
}

impl<T: DeserializeOwned + Send + 'static> ListRequest<T> {
    /// Returns the first item, or `None` if the list is empty.
    ///
    /// Sends `limit=1`, unless you set `limit` or `page`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](ListRequest::send).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// match client.agents().list().sort("-created_at").first()? {
    ///     Some(agent) => println!("The newest agent is {}.", agent.name),
    ///     None => println!("There are no agents."),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn first(&self) -> Result<Option<T>, Error> {
        let mut list = self.clone();
        list.prefetch = false;
        let is_limited = list.filters.iter().any(|pair| is_named(pair, "limit"));
        if !is_limited && list.page == Some(1) {
            list = list.limit(1);
        }
        list.into_iter().next().transpose()
    }

    /// Returns the first item that matches, or `None` if no item does.
    ///
    /// Fetches no page after the one with that item. To fetch fewer pages, narrow the list with
    /// [`search`](Self::search).
    ///
    /// # Errors
    ///
    /// Those of [`send`](ListRequest::send).
    ///
    /// ```no_run
    /// # fn main() -> Result<(), bimpeai::Error> {
    /// # let client = bimpeai::Client::from_env()?;
    /// let agents = client.agents().list().search("Ada");
    /// if let Some(agent) = agents.find(|agent| agent.name == "Ada")? {
    ///     println!("{}", agent.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn find(&self, mut matches: impl FnMut(&T) -> bool) -> Result<Option<T>, Error> {
        for item in self.clone() {
            let item = item?;
            if matches(&item) {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// Fetches every page and returns all items.
    ///
    /// Deleting or creating items afterwards does not disturb the list; see
    /// [`ListRequest`](ListRequest#deleting-or-creating-while-listing).
    ///
    /// # Errors
    ///
    /// Those of [`send`](ListRequest::send).
    pub fn all(&self) -> Result<Vec<T>, Error> {
        self.clone().into_iter().collect()
    }
}

/// One page of a list.
///
/// Iterating over it yields its items and those of all pages that follow, as in Python.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let emulator = bimpeai::emulator::Emulator::start()?;
/// # let client = emulator.client_builder().build()?;
/// let page = client.workflows().list().limit(5).send()?;
/// println!("{} workflows on this page", page.data.len());
/// if let Some(meta) = &page.meta {
///     println!("{} in total", meta.total_count);
/// }
/// assert!(page.has_next_page());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AsyncPage")]
#[doc(alias = "pagination")]
#[derive(Clone)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items of this page.
    pub data: Vec<T>,
    /// The position of this page in the list; `None` if the API does not paginate it.
    pub meta: Option<PaginationMeta>,
    /// The id of the request that fetched this page.
    pub request_id: Option<String>,
    next: Option<Box<ListRequest<T>>>,
}

impl<T> Page<T> {
    /// Returns whether another page follows.
    #[doc(alias = "hasNextPage")]
    pub fn has_next_page(&self) -> bool {
        self.next.is_some()
    }
}

impl<T: DeserializeOwned> Page<T> {
    /// Fetches the page that follows. Returns `None` after the last page.
    ///
    /// An item that this page already has is left out of it.
    ///
    /// # Errors
    ///
    /// Those of [`ListRequest::send`].
    #[doc(alias = "getNextPage")]
    pub fn get_next_page(&self) -> Result<Option<Page<T>>, Error> {
        self.following().map(|next| next.send()).transpose()
    }
}

impl<T> Clone for ListRequest<T> {
    fn clone(&self) -> Self {
        ListRequest {
            http: self.http.clone(),
            page: self.page,
            filters: self.filters.clone(),
            operation: self.operation.clone(),
            request_id: self.request_id.clone(),
            prefetch: self.prefetch,
            id: self.id,
            previous: self.previous.clone(),
            fruitless: self.fruitless,
        }
    }
}

/// Prints the method and path, but no headers and no API key.
impl<T> fmt::Debug for ListRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ListRequest")
            .field(&format_args!("{}", self.operation.name()))
            .finish()
    }
}

impl<T: DeserializeOwned + Send + 'static> IntoIterator for ListRequest<T> {
    type Item = Result<T, Error>;
    type IntoIter = Items<T>;

    fn into_iter(self) -> Items<T> {
        Items::new(Vec::new(), self.pages())
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
        let pages = Pages::from(self.following());
        Items::new(self.data, pages)
    }
}

/// A server that sends more consecutive pages without a new item, and announces another, is broken.
const MAX_FRUITLESS_PAGES: u32 = 10;

impl<T> ListRequest<T> {
    /// `id` returns the id of an item.
    pub(crate) fn new(client: &Client, path: Path, id: fn(&T) -> &str) -> Self {
        ListRequest {
            page: Some(1),
            ..Self::from_operation(client.http().clone(), Operation::new(Method::GET, path), id)
        }
    }

    /// Lists what an operation returns. Its query may name the page to start with.
    pub(crate) fn from_operation(
        http: Arc<Http>,
        mut operation: Operation,
        id: fn(&T) -> &str,
    ) -> Self {
        let query = std::mem::take(&mut operation.query);
        let mut page = None;
        let mut filters = Vec::new();
        for pair in query.split(['?', '&']).filter(|pair| !pair.is_empty()) {
            match pair.strip_prefix("page=").map(str::parse) {
                Some(Ok(number)) => page = Some(number),
                _ => filters.push(pair.to_owned()),
            }
        }
        let request_id = operation.request_id.as_ref();
        ListRequest {
            http,
            page,
            filters,
            request_id: request_id
                .and_then(|id| id.to_str().ok())
                .map(str::to_owned),
            operation,
            prefetch: false,
            id,
            previous: None,
            fruitless: 0,
        }
    }

    /// Sets a parameter of the query and replaces an earlier value.
    pub(crate) fn filter(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        let mut pair = String::new();
        push_query(&mut pair, name, &value.to_string());
        self.filters.retain(|known| !is_named(known, name));
        self.filters.push(pair.split_off(1));
        self
    }

    fn operation(&self) -> Operation {
        let page = self.page.map(|page| format!("page={page}"));
        let pairs: Vec<&str> = page
            .iter()
            .chain(&self.filters)
            .map(String::as_str)
            .collect();
        let mut operation = self.operation.clone();
        if !pairs.is_empty() {
            operation.query = format!("?{}", pairs.join("&"));
        }
        operation
    }

    /// The ids of some items.
    fn ids(&self, items: &[T]) -> Arc<HashSet<String>> {
        let ids = items.iter().map(self.id).filter(|id| !id.is_empty());
        Arc::new(ids.map(str::to_owned).collect())
    }

    /// The request for a page that follows this one.
    fn following(&self, page: u64, previous: Option<Arc<HashSet<String>>>, fruitless: u32) -> Self {
        let mut next = ListRequest {
            page: Some(page),
            previous,
            fruitless,
            ..self.clone()
        };
        // One id for each page: a server that sees an id or a key again may replay its response.
        next.operation.idempotency_key = None;
        next.operation.request_id = self
            .request_id
            .as_ref()
            .map(|id| format!("{id}-{page}"))
            .filter(|id| id.len() <= LONGEST_ID)
            .and_then(|id| HeaderValue::try_from(id).ok());
        next
    }

    /// The number of the page that follows a response; `Err` if the response contradicts itself
    /// or the request.
    fn next_page(
        &self,
        meta: Option<&PaginationMeta>,
        fruitless: u32,
    ) -> Result<Option<u64>, String> {
        let Some(meta) = meta else { return Ok(None) };
        let (current, count) = (meta.current_page, meta.page_count);
        // Page 0 is page 1 to servers that accept it.
        let requested = self.page.map_or(current, |page| page.max(1));
        if current == 0 && meta.has_next_page {
            return Err("the page has no number, and more pages are to follow".to_owned());
        }
        // A server may return the last page of a list that has become shorter.
        let is_last = !meta.has_next_page && current >= count;
        if current > requested || (current < requested && current > 0 && !is_last) {
            return Err(format!(
                "requested page {requested}, got page {current} of {count}"
            ));
        }
        if !meta.has_next_page {
            return Ok(None);
        }
        if count > 0 && current > count {
            return Err(format!(
                "got page {current} of {count}, and more pages are to follow"
            ));
        }
        if fruitless > MAX_FRUITLESS_PAGES {
            return Err(format!(
                "{fruitless} pages in a row had no new items, and more pages are to follow"
            ));
        }
        match current.checked_add(1) {
            Some(next) => Ok(Some(next)),
            None => Err(format!(
                "got page {current}, the highest number, and more pages are to follow"
            )),
        }
    }
}

impl<T: DeserializeOwned> ListRequest<T> {
    fn fetch(&self, cancel: &Cancel) -> Result<ApiResponse<Page<T>>, Error> {
        let fetched = self.fetch_page(cancel);
        fetched.map_err(|error| error.on_page(self.page))
    }

    fn fetch_page(&self, cancel: &Cancel) -> Result<ApiResponse<Page<T>>, Error> {
        let http = &self.http;
        let response = http.execute_on(&http.agent, &self.operation(), cancel)?;
        let (data, meta) = match self.page {
            Some(_) => envelope::page(&response)?,
            None => envelope::page_if_any(&response)?,
        };
        let Some(mut data) = data else {
            let what = "`data` is missing or null; expected a list".to_owned();
            return Err(envelope::decode_error(&response, what, None));
        };
        // The first page has nothing to be compared with: `Page::following` reads its ids.
        let mut ids = None;
        if let Some(previous) = &self.previous {
            ids = Some(self.ids(&data));
            data.retain(|item| !previous.contains((self.id)(item)));
        }
        let fruitless = if data.is_empty() {
            self.fruitless + 1
        } else {
            0
        };
        let next = self
            .next_page(meta.as_ref(), fruitless)
            .map_err(|what| envelope::decode_error(&response, what, None))?;
        let page = Page {
            data,
            meta,
            request_id: response.call.request_id.clone(),
            next: next.map(|page| Box::new(self.following(page, ids, fruitless))),
        };
        Ok(ApiResponse::new(page, response))
    }
}

impl<T> Page<T> {
    /// The request for the page that follows, which knows the ids of this one.
    fn following(&self) -> Option<Box<ListRequest<T>>> {
        let mut next = self.next.clone()?;
        if next.previous.is_none() {
            next.previous = Some(next.ids(&self.data));
        }
        Some(next)
    }
}

/// Whether an encoded `name=value` has this name.
fn is_named(pair: &str, name: &str) -> bool {
    pair.split_once('=').is_some_and(|(known, _)| known == name)
}
