#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "sandbox/request.h"
#include "sandbox/wire.h"

namespace boost::asio {
class io_context;
}

namespace sandbox {

// The client's end of the socket to the launcher: requests go out in their order, what the launcher
// says comes in. On the loop's thread, like all that it calls; nothing blocks.
class Channel {
 public:
  // Never called from within Post.
  struct Handlers {
    // What the launcher says of a run, with the descriptors that came with it.
    std::function<void(const wire::Reply&, std::vector<base::UniqueFd>)> on_reply;
    // A report of so many bytes. False when it is not sound.
    std::function<bool(const wire::PoolReport&, size_t)> on_pool;
    // A request about this run, or kNoRun, cannot be sent: why.
    std::function<void(uint64_t, const std::string&)> on_unsent;
    // Once: the launcher has ended, or says what nobody understands. Nothing comes any more.
    std::function<void()> on_lost;
  };

  virtual ~Channel() = default;

  // Once, before anything else.
  virtual void Begin(Handlers handlers) = 0;

  virtual void Close() = 0;

  // Unbounded: the caller bounds what it posts.
  virtual void Post(Message message) = 0;

  // The launcher has not taken yet what was posted.
  virtual bool behind() const = 0;
};

// Shared with the loop for the moments at which something of it is called.
std::shared_ptr<Channel> MakeChannel(boost::asio::io_context& loop, base::UniqueFd socket);

}  // namespace sandbox
