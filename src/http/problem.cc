#include "http/problem.h"

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <utility>

#include "base/text.h"
#include "base/time.h"

namespace http {

namespace json = boost::json;

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

std::string JsonText(std::string_view text) {
  return base::IsValidUtf8(text) ? std::string(text) : base::Printable(text, text.size());
}

Response Problem(int status, std::string_view detail, std::string_view request_id,
                 const std::vector<job::FieldError>& errors) {
  json::object body;
  body["type"] = "about:blank";
  body["title"] = json::string(ReasonPhrase(status));
  body["status"] = status;
  body["detail"] = JsonText(detail);
  body["request_id"] = JsonText(request_id);
  if (!errors.empty()) {
    json::array list;
    for (const job::FieldError& e : errors) {
      json::object item;
      item["field"] = JsonText(e.field);
      item["message"] = JsonText(e.message);
      list.push_back(std::move(item));
    }
    body["errors"] = std::move(list);
  }
  return {status, "application/problem+json", {}, json::serialize(body)};
}

Response Problem(const service::Refusal& refusal, std::string_view request_id) {
  using Kind = service::Refusal::Kind;
  int status = 500;
  switch (refusal.kind) {
    case Kind::kMalformed:
      status = 400;
      break;
    case Kind::kInvalid:
      status = 422;
      break;
    case Kind::kForbidden:
      status = 403;
      break;
    case Kind::kNotFound:
      status = 404;
      break;
    case Kind::kConflict:
      status = 409;
      break;
    case Kind::kOverloaded:
      status = 429;
      break;
    case Kind::kUnavailable:
      status = 503;
      break;
    case Kind::kInternal:
      break;
  }
  Response response = Problem(status, refusal.detail, request_id, refusal.errors);
  if (status == 429 || status == 503) {
    // In whole seconds, so rounded up.
    const base::Nanos seconds = (refusal.retry_after + base::kSecond - 1) / base::kSecond;
    response.headers.emplace_back("Retry-After", std::to_string(std::max<int64_t>(1, seconds)));
  }
  return response;
}

}  // namespace http
