#include "http/router.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace http {
namespace {

struct Route {
  std::string_view method;
  // A segment "{id}" matches any one non-empty segment, "{path}" at the end one or more.
  std::string_view pattern;
  Endpoint endpoint;
  std::string_view query_names;  // the query parameters that it accepts, separated by spaces
  bool for_all = false;          // it tells of no job: needs no key
};

constexpr std::array kRoutes = {
    Route{"GET", "/health", Endpoint::kHealth, "", true},
    Route{"GET", "/health/live", Endpoint::kLive, "", true},
    Route{"GET", "/health/ready", Endpoint::kReady, "", true},
    Route{"POST", "/v1/execute", Endpoint::kExecute, ""},
    Route{"POST", "/v1/batch", Endpoint::kBatch, ""},
    Route{"GET", "/v1/execute", Endpoint::kList, "language status since limit cursor"},
    Route{"GET", "/v1/execute/{id}", Endpoint::kGetJob, "wait"},
    Route{"DELETE", "/v1/execute/{id}", Endpoint::kCancel, ""},
    Route{"GET", "/v1/execute/{id}/events", Endpoint::kEvents, ""},
    Route{"GET", "/v1/execute/{id}/files/{path}", Endpoint::kFile, ""},
    Route{"POST", "/v1/keys", Endpoint::kCreateKey, ""},
    Route{"GET", "/v1/keys", Endpoint::kListKeys, ""},
    Route{"DELETE", "/v1/keys/{id}", Endpoint::kRevokeKey, ""},
    Route{"GET", "/v1/interactive", Endpoint::kInteractive, ""},
    Route{"GET", "/v1/languages", Endpoint::kLanguages, ""},
    Route{"GET", "/openapi.json", Endpoint::kOpenApi, "", true},
    Route{"GET", "/metrics", Endpoint::kMetrics, "", true},
    Route{"GET", "/docs", Endpoint::kDocs, "", true},
    Route{"GET", "/docs/rapidoc.js", Endpoint::kDocsScript, "", true},
};

int HexValue(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::string_view NextSegment(std::string_view* path) {
  const size_t slash = path->find('/');
  const std::string_view segment = path->substr(0, slash);
  *path = slash == std::string_view::npos ? std::string_view() : path->substr(slash + 1);
  return segment;
}

struct Captured {
  std::string_view id;
  std::string_view path;
};

// Decoding happens segment by segment, so that "%2F" never makes a new segment of the route.
bool PatternMatches(std::string_view pattern, std::string_view path, Captured* captured) {
  while (!pattern.empty()) {
    if (pattern == "{path}") {
      captured->path = path;
      return !path.empty();
    }
    const bool more = pattern.find('/') != std::string_view::npos;
    if (more != (path.find('/') != std::string_view::npos)) {
      return false;
    }
    const std::string_view want = NextSegment(&pattern);
    const std::string_view have = NextSegment(&path);
    if (want == "{id}") {
      if (have.empty()) {
        return false;
      }
      captured->id = have;
      continue;
    }
    const base::Result<std::string> decoded = PercentDecode(have, false);
    if (!decoded || *decoded != want) {
      return false;
    }
  }
  return true;
}

}  // namespace

base::Result<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 1 < text.size() ? HexValue(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return base::InvalidArgument("'%' must be followed by two hexadecimal digits");
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      return base::InvalidArgument("control characters are not accepted in a URL");
    }
    out += c;
  }
  if (!base::IsValidUtf8(out)) {
    return base::InvalidArgument("a URL must be UTF-8");
  }
  return out;
}

base::Result<Target> SplitTarget(std::string_view target) {
  if (target.find('#') != std::string_view::npos) {
    return base::InvalidArgument("a request target has no fragment");
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.substr(0, scheme.size()) == scheme) {
      target.remove_prefix(scheme.size());
      const size_t end = target.find_first_of("/?");
      target = end == std::string_view::npos ? std::string_view("/") : target.substr(end);
      if (target.front() == '?') {
        return Target{"/", target.substr(1)};
      }
      break;
    }
  }
  if (target.empty() || target.front() != '/') {
    return base::InvalidArgument("the request target must be a path");
  }
  const size_t question = target.find('?');
  if (question == std::string_view::npos) {
    return Target{target, {}};
  }
  return Target{target.substr(0, question), target.substr(question + 1)};
}

base::Result<Params> ParseQuery(std::string_view query) {
  Params params;
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view piece = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (piece.empty()) {
      continue;
    }
    const size_t equals = piece.find('=');
    base::Result<std::string> name = PercentDecode(piece.substr(0, equals), true);
    base::Result<std::string> value = PercentDecode(
        equals == std::string_view::npos ? std::string_view() : piece.substr(equals + 1), true);
    if (!name) {
      return name.error();
    }
    if (!value) {
      return value.error();
    }
    params.emplace_back(std::move(*name), std::move(*value));
  }
  return params;
}

Match FindRoute(std::string_view method, std::string_view path) {
  Match match;
  if (base::Result<std::string> decoded = PercentDecode(path, false); !decoded) {
    match.status = 400;
    return match;
  }
  for (const Route& route : kRoutes) {
    Captured captured;
    if (!PatternMatches(route.pattern, path, &captured)) {
      continue;
    }
    const bool get = route.method == "GET";
    if (method == route.method || (get && method == "HEAD")) {
      match.status = 200;
      match.allow.clear();
      match.endpoint = route.endpoint;
      match.pattern = route.pattern;
      match.is_get = get;
      match.takes_body = route.method == "POST";
      match.needs_key = !route.for_all;
      match.path_param =
          PercentDecode(captured.id, false).value();  // part of what was decoded above
      match.file_path = PercentDecode(captured.path, false).value();
      match.query_names = Words(route.query_names);
      return match;
    }
    match.status = 405;
    match.allow +=
        (match.allow.empty() ? "" : ", ") + (get ? "GET, HEAD" : std::string(route.method));
  }
  if (match.status == 405) {
    match.allow += ", OPTIONS";
  }
  return match;
}

}  // namespace http
