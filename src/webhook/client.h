#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "webhook/url.h"

namespace boost::asio {
class io_context;
}

namespace webhook {

struct ClientOptions {
  Policy policy;
  base::Nanos timeout = 10 * base::kSecond;  // from the look-up of the name to the status
  std::string ca_file;                       // empty: the system's
};

struct Post {
  Url url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// What became of it. Of the answer nothing is read but the status.
struct Outcome {
  int status = 0;     // 0: there was none
  std::string error;  // then: at which step
};

// Sends POST requests to where clients want. Each goes to an address that was checked after the
// name was looked up, with no look-up in between; redirects are not followed, and no proxy is used.
// Names are looked up on threads of its own. Otherwise it lives on the event loop's thread; the
// loop must outlive it. What is under way at its end is dropped without an answer.
class Client {
 public:
  // Error: the authorities cannot be read.
  static base::Result<std::unique_ptr<Client>> Make(boost::asio::io_context& loop,
                                                    ClientOptions options);
  ~Client();  // NOLINT(bugprone-exception-escape): as in client.cc

  // Answers once, never from within the call.
  void Send(Post post, std::function<void(Outcome)> done);

 private:
  class Impl;
  explicit Client(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace webhook
