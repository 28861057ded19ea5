#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What a handler sees of a request and what it answers. Plain values.
namespace http {

using Params = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string id;          // X-Request-Id, the client's or ours
  std::string client;      // whom the request is charged to: ClientOf its address
  std::string path_param;  // the decoded "{id}" of the route, when it has one
  Params query;            // decoded; only names that the route accepts, each once
  std::string body;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  Params headers;  // beside those that every response carries
  std::string body;
};

// The line between a handler that takes long and the connection it answers on. Single-threaded.
struct Exchange {
  // Called once, perhaps from within the handler.
  std::function<void(Response)> reply;
  // The handler calls it when it begins to wait for something that may take seconds.
  std::function<void()> on_waiting = [] {};
  // Set by a handler that waits; the connection calls it to end the wait early: the client is gone
  // or the server stops. The handler then replies soon with what it has.
  std::function<void()> cancel = [] {};
  // Set with the call of `cancel`: a wait that begins afterwards ends at once.
  bool cancelled = false;
};

// The standard phrase of a status that this server sends.
std::string_view ReasonPhrase(int status);

}  // namespace http
