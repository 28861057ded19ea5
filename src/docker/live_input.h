#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "docker/wire.h"
#include "sandbox/spec.h"

namespace boost::asio {
class io_context;
}

// What is said to programs while they run, on its way to their supervisors.
namespace docker {

// What is said to one program. It waits here until the supervisor is there and has room for it.
// On the loop's thread.
class Feed {
 public:
  explicit Feed(boost::asio::io_context& loop) : loop_(loop) {}

  // As sandbox::LiveInput has them.
  void Write(std::string data, std::function<void()> done);
  void CloseInput();
  void Resize(sandbox::TerminalSize size);
  void Signal(int signal);  // lost before Attach, and beyond a few that wait

  // A size that was asked for before the job is sent is the one that it starts with.
  void TakeSize(sandbox::Spec* spec);

  // There is a supervisor: `wake` is called, also from within the calls above, when there may be
  // something to take, and must keep nothing alive that keeps this alive.
  void Attach(std::function<void()> wake);

  // The Controls to be sent next, with their data; empty when there is nothing, or no room.
  std::string Take();

  // The program has taken so much. False: more than it was given.
  bool Taken(uint32_t bytes);

  // Nothing is taken any more, nor said to anybody.
  void Drop();

 private:
  struct Piece {
    std::string data;
    size_t sent = 0;
    std::function<void()> done;
  };

  void Wake();
  void Call(std::function<void()> done);

  boost::asio::io_context& loop_;
  std::function<void()> wake_;
  std::deque<Piece> sent_;    // whole, but not taken yet
  std::deque<Piece> unsent_;  // the first perhaps in part
  uint32_t under_way_ = 0;    // bytes that were sent and are not taken
  size_t first_taken_ = 0;    // of the first piece
  bool ends_ = false;
  bool end_sent_ = false;
  bool dropped_ = false;
  std::optional<sandbox::TerminalSize> size_;
  std::vector<int> signals_;
};

// The feeds of a backend's runs, by their ids.
class Feeds final : public sandbox::LiveInput {
 public:
  explicit Feeds(boost::asio::io_context& loop) : loop_(loop) {}

  // For a run that starts; null unless the spec asks for live input.
  std::shared_ptr<Feed> Add(uint64_t run, const sandbox::Spec& spec);

  // The run has ended.
  void Remove(uint64_t run);

  void Write(uint64_t run, std::string data, std::function<void()> done) override;
  void CloseInput(uint64_t run) override;
  void Resize(uint64_t run, sandbox::TerminalSize size) override;
  void Signal(uint64_t run, int signal) override;

 private:
  Feed* Find(uint64_t run) const;

  boost::asio::io_context& loop_;
  std::map<uint64_t, std::shared_ptr<Feed>> feeds_;
};

}  // namespace docker
