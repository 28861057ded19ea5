#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "job/json.h"
#include "service/service.h"

// RFC 9457 problem+json. Text may hold any bytes: what is not valid UTF-8 is escaped.
namespace http {

Response Problem(int status, std::string_view detail, std::string_view request_id,
                 const std::vector<job::FieldError>& errors = {});

// A refusal of the service, with Retry-After where trying again makes sense.
Response Problem(const service::Refusal& refusal, std::string_view request_id);

// `text` itself when it is valid UTF-8, else escaped: fit for a JSON string.
std::string JsonText(std::string_view text);

}  // namespace http
