#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "service/keys.h"

// What a handler sees of a request and what it answers. Plain values.
namespace http {

using Params = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string id;          // X-Request-Id, the client's or ours
  service::Caller caller;  // with a key, or whom the request is charged to: ClientOf its address
  std::string path_param;  // the decoded "{id}" of the route, when it has one
  std::string file_path;   // likewise "{path}"
  Params query;            // decoded; only names that the route accepts, each once
  std::string body;
  std::string last_event_id;    // the Last-Event-ID field
  std::string idempotency_key;  // the Idempotency-Key field; empty: none
  bool from_here = false;       // from this machine, and not passed on by a proxy on it
};

// A body that is made while it is sent. Single-threaded.
class BodySource {
 public:
  virtual ~BodySource() = default;

  // What is to be sent next, at most what a slow client may keep in memory; empty: nothing at the
  // moment, or, when it has ended, nothing any more.
  virtual std::string Take() = 0;
  virtual bool ended() const = 0;

  // Set by the connection; to be called when Take has something again or it has ended.
  std::function<void()> on_ready = [] {};
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  Params headers;  // beside those that every response carries
  std::string body;
  std::shared_ptr<BodySource> source = nullptr;  // the body instead, sent as it comes
  // Names this state of the body: the client may keep it and ask whether it still holds. Empty: it
  // must keep nothing.
  std::string etag = {};
};

// The line between a handler that takes long and the connection it answers on. Single-threaded.
struct Exchange {
  // Called once, perhaps from within the handler. With a source the exchange goes on until it ends.
  std::function<void(Response)> reply;
  Params headers = {};  // of the answer, beside its own
  // The handler calls it when it begins to wait for something that may take seconds.
  std::function<void()> on_waiting = [] {};
  // Set by a handler that waits; the connection calls it to end the wait early: the client is gone
  // or the server stops. The handler then replies soon with what it has, or its source ends.
  std::function<void()> cancel = [] {};
  std::shared_ptr<void> guard = nullptr;  // of whoever follows the exchange: dies with it
  // Set with the call of `cancel`: a wait that begins afterwards ends at once.
  bool cancelled = false;
};

// The standard phrase of a status that this server sends.
std::string_view ReasonPhrase(int status);

}  // namespace http
