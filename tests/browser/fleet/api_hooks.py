"""Components are sent as bytes."""

import schemathesis

schemathesis.serializer.alias("application/wasm", "application/octet-stream")
