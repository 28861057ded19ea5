#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

// From a request line to a route. Pure functions of text.
namespace http {

// Strict: "%" must be followed by two hexadecimal digits, and what comes out must be UTF-8 without
// control characters. `plus_is_space` for query strings.
base::Result<std::string> PercentDecode(std::string_view text, bool plus_is_space);

// A request target in origin form ("/v1/x?a=b") or absolute form, taken apart but not decoded.
struct Target {
  std::string_view path;   // begins with '/'
  std::string_view query;  // without the '?'
};

base::Result<Target> SplitTarget(std::string_view target);

// Name and value pairs in order, decoded. Empty pieces ("a=1&&b=2") are skipped.
base::Result<Params> ParseQuery(std::string_view query);

enum class Endpoint {
  kHealth,
  kLive,
  kReady,
  kExecute,
  kBatch,
  kList,
  kGetJob,
  kCancel,
  kEvents,
  kCreateKey,
  kListKeys,
  kRevokeKey,
  kFile,
  kInteractive,
  kLanguages,
  kOpenApi,
  kDocs,
  kDocsScript,
  kMetrics,
};

struct Match {
  // 200: found. 404: no such path. 405: the path knows other methods. 400: the path is malformed.
  int status = 404;
  Endpoint endpoint = Endpoint::kHealth;
  std::string_view pattern = "other";  // of the route: names it where it is counted
  bool is_get = false;                 // or HEAD
  bool takes_body = false;
  bool needs_key = true;                      // where keys are asked for at all
  std::string path_param;                     // what "{id}" stands for
  std::string file_path;                      // what "{path}" stands for
  std::vector<std::string_view> query_names;  // the query parameters that the route accepts
  std::string allow;                          // for 405, every method: OPTIONS is one
};

// `path` as it came, not decoded. HEAD matches where GET does.
Match FindRoute(std::string_view method, std::string_view path);

}  // namespace http
