# Sourced: where the tools of the page's tests lie, outside of the checkout and by the digest of what is in them,
# so that clones share them and a changed version lands beside the old one.
web_tests=${XDG_CACHE_HOME:-$HOME/.cache}/loadhost/web-tests
digest_of() { cat "$@" | sha256sum | cut -c1-12; }
npm_home=$web_tests/npm-$(digest_of tests/browser/package.json tests/browser/package-lock.json)
py_home=$web_tests/python-$(digest_of tests/browser/requirements.txt)
