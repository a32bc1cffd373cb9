# Sourced: where the Python packages of the tests of deploy/ lie, as web-env.sh says for those of the page.
deploy_tests=${XDG_CACHE_HOME:-$HOME/.cache}/loadhost/deploy-tests
deploy_py=$deploy_tests/python-$(sha256sum <tests/deploy/requirements.txt | cut -c1-12)
