#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "job/job.h"
#include "job/store.h"

// What a client that is connected does to the program of an interactive job, as the connection sees
// it: the executor implements this. Output and outcome go through the store, as those of every job.
namespace job {

// The signals that a client may send, by the name that it uses: "INT", "TERM". nullopt: none such.
std::optional<int> ParseSignal(std::string_view name);

// "HUP, INT, ...": what ParseSignal takes.
std::string SignalNames();

// One running interactive job. On the event loop's thread. When it is destroyed the job is
// cancelled, unless it has ended.
class Session {
 public:
  virtual ~Session() = default;

  // Hands input to the program; `done` comes once it has taken it, or never will, and not from
  // within the call. One at a time: what the program does not read is the client's to keep.
  virtual void Write(std::string data, std::function<void()> done) = 0;

  // After what has been written the program reads the end of its input; not for a terminal, where
  // that is a character.
  virtual void CloseInput() = 0;

  // Whether the program has a terminal.
  virtual bool terminal() const = 0;

  // The size of that from now on; before the program runs, that which it starts with.
  virtual void Resize(TerminalSize size) = 0;

  // To the program's process group; nothing while there is no program.
  virtual void Signal(int signal) = 0;
};

// Where interactive jobs run: in this process, since it holds the connection.
class SessionHost {
 public:
  virtual ~SessionHost() = default;

  // Stores the job as running and runs it, in no slot of the queue's jobs. On the event loop's
  // thread; answered there once the job is durable. kExhausted: as many run as may; others as
  // Store::Begin.
  virtual void Begin(Job job, Store::Callback<std::shared_ptr<Session>> done) = 0;
};

}  // namespace job
