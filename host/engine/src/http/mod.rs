//! The HTTP/1.1 engine: connections, requests, answers, cookies and redirects of one user.
