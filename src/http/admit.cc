#include "http/admit.h"

#include <algorithm>
#include <boost/beast/http/message.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/text.h"
#include "http/problem.h"

namespace http {

namespace beast = boost::beast;

namespace {

constexpr size_t kMaxIdempotencyKey = 255;

std::string_view Text(beast::string_view text) {
  return {text.data(), text.size()};
}

// Where it means something: whoever relies on it elsewhere must learn that it does nothing there.
std::optional<Response> TakeIdempotencyKey(const Header& header, const Match& match,
                                           Request* request) {
  const auto fields = header.count("Idempotency-Key");
  if (fields == 0 || !match.takes_body) {
    return std::nullopt;
  }
  request->idempotency_key = std::string(FieldOf(header, "Idempotency-Key"));
  const std::string& key = request->idempotency_key;
  std::string message;
  if (match.endpoint != Endpoint::kExecute) {
    message = "goes with POST /v1/execute only";
  } else if (fields > 1 || key.empty() || key.size() > kMaxIdempotencyKey ||
             !std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; })) {
    message = "must be one of 1 to " + std::to_string(kMaxIdempotencyKey) +
              " printable characters of ASCII, without spaces";
  }
  if (message.empty()) {
    return std::nullopt;
  }
  const std::vector<job::FieldError> errors{{"Idempotency-Key", std::move(message)}};
  return Problem(422, "a header field is not valid", request->id, errors);
}

}  // namespace

std::optional<Response> Admit(const Header& header, const CorsPolicy& cors, Access& access,
                              Request* request, Match* found) {
  const base::Result<Target> target = SplitTarget(Text(header.target()));
  if (!target) {
    return Problem(400, target.error().message, request->id);
  }
  Match match = FindRoute(Text(header.method_string()), target->path);
  *found = match;
  if (match.status == 405 && header.method() == beast::http::verb::options) {
    Response response{204, "", {}, ""};
    if (header.count("Access-Control-Request-Method") > 0) {
      response.headers = PreflightFields(cors, FieldOf(header, "Origin"), match.allow);
    }
    response.headers.emplace_back("Allow", match.allow);
    return response;
  }
  if (match.status == 405) {
    Response response = Problem(405, "the methods here are " + match.allow, request->id);
    response.headers.emplace_back("Allow", match.allow);
    return response;
  }
  if (match.status != 200) {
    return Problem(match.status,
                   match.status == 404 ? "there is nothing at this path"
                                       : "the path is not valid percent-encoded UTF-8",
                   request->id);
  }
  if (auto refused = access.Check(header, match, request->id, &request->caller)) {
    return refused;
  }
  if (auto refused = TakeIdempotencyKey(header, match, request)) {
    return refused;
  }
  if (match.takes_body) {
    if (!IsJson(header)) {
      return Problem(415, "Content-Type must be application/json", request->id);
    }
    const std::string_view coding = FieldOf(header, "Content-Encoding");
    if (!coding.empty() && !base::EqualsIgnoringCase(coding, "identity")) {
      return Problem(415, "Content-Encoding is not supported", request->id);
    }
  }
  base::Result<Params> query = ParseQuery(target->query);
  if (!query) {
    return Problem(400, query.error().message, request->id);
  }
  std::vector<job::FieldError> errors;
  for (auto it = query->begin(); it != query->end(); ++it) {
    const auto same_name = [it](const auto& other) { return other.first == it->first; };
    if (std::find(match.query_names.begin(), match.query_names.end(), it->first) ==
        match.query_names.end()) {
      errors.push_back({base::Printable(it->first), "unknown query parameter"});
    } else if (std::any_of(query->begin(), it, same_name)) {
      errors.push_back({it->first, "given more than once"});
    }
  }
  if (!errors.empty()) {
    return Problem(422, "a query parameter is not valid", request->id, errors);
  }
  request->path_param = std::move(match.path_param);
  request->file_path = std::move(match.file_path);
  request->query = std::move(*query);
  return std::nullopt;
}

}  // namespace http
