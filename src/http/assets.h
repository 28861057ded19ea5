#pragma once

#include "http/message.h"
#include "http/router.h"

namespace http {

// What is built into the program: kOpenApi (api/openapi.yaml as JSON), kDocs (the page that renders
// it) and kDocsScript (its renderer, RapiDoc, see web/vendor).
Response Asset(Endpoint endpoint);

}  // namespace http
