#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "sandbox/request.h"
#include "sandbox/spec.h"

namespace boost::asio {
class io_context;
}

namespace sandbox {

// The standard streams of one run, from our side: what the program writes is kept up to a limit,
// what it is to read is fed to it as it takes it. Pipes, or one terminal, whose master arrives over
// a socket when pid 1 of the sandbox has made it.
// On the loop's thread, like all that it calls; nothing blocks.
class Streams {
 public:
  // Never called from within a call, nor after Close.
  struct Handlers {
    Backend::OnOutput on_output;    // may be empty; up to the limit
    std::function<void()> on_over;  // there is more than the limit; once for each stream
    std::function<void()> on_end;   // nobody can write any more, and all is read
  };

  virtual ~Streams() = default;

  // Once: makes what the run needs, and puts the program's ends into the message, which EncodeRun
  // has made of the same spec. After an error there are no streams.
  virtual base::Result<void> Open(const Spec& spec, Message* message) = 0;

  // As LiveInput has them. `done` may also come after Close.
  virtual void Write(std::string data, std::function<void()> done) = 0;
  virtual void CloseInput() = 0;
  virtual void Resize(TerminalSize size) = 0;

  // Nobody can write any more, and all is read.
  virtual bool ended() const = 0;

  // What was written, and whether there was more; leaves nothing behind.
  virtual void TakeOutput(RunResult* result) = 0;

  // At once.
  virtual void Close() = 0;

  // What waits for a terminal that will never be: its `done` is called from within.
  virtual void DropAwaiting() = 0;
};

// `limit`: bytes that are kept, of each stream. Shared with the loop until they end or are closed.
std::shared_ptr<Streams> MakeStreams(boost::asio::io_context& loop, int64_t limit,
                                     Streams::Handlers handlers);

}  // namespace sandbox
