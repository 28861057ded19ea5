#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "docker/wire.h"

namespace boost::asio {
class io_context;
}

// The Docker CLI, by way of the broker.
namespace docker {

struct BrokerOptions {
  std::string broker;  // path of sandbox-docker-broker
  std::string docker_bin = "docker";
  std::string user;  // uid:gid of jobs
  std::string supervisor;
  std::string job_dir;
  std::string network;
  std::string image;
  std::string runtime;
  std::string owner;
  int64_t memory_bytes = 0;  // of a single-use container
  int64_t processes = 0;
  std::string cpus = "1";
  int64_t folder_bytes = 0;
};

// The broker as a started process; it ends when the socket closes.
struct Broker {
  base::UniqueFd socket;
  base::UniqueFd process;  // pidfd
};

// Starts the broker with what of the environment the CLI reads. Call it while the process still has
// its privileges and only one thread. A DOCKER_HOST that is reached over plain TCP is refused: who
// controls it is root there.
base::Result<Broker> StartBroker(const BrokerOptions& options);

// Checks DOCKER_HOST and DOCKER_TLS_VERIFY; for StartBroker and its tests.
base::Result<void> CheckDockerHost(std::string_view host, bool tls_verify);

struct CallResult {
  base::Result<void> started = {};  // an error: the CLI could not be started
  int exit_code = 0;                // 128 + number when a signal ended it
  bool timed_out = false;
  std::string output;  // of stdout; bounded
  std::string errors;  // the end of stderr; bounded

  bool ok() const { return started.has_value() && !timed_out && exit_code == 0; }
};

// Our ends of a command's standard streams.
struct Streams {
  base::UniqueFd input;
  base::UniqueFd output;
  base::UniqueFd errors;
};

// Commands under way are bounded by wire::kMaxCommands. Lives on the loop's thread; callbacks
// arrive there, never from within a call, and not after destruction.
class Cli {
 public:
  using CommandId = uint64_t;
  using OnCall = std::function<void(CallResult)>;
  using OnEnd = std::function<void(CallResult)>;  // output and errors are empty

  // `lost` is called once when the broker has ended; commands under way end with an error.
  Cli(boost::asio::io_context& loop, Broker broker, std::function<void()> lost);
  ~Cli();  // NOLINT(bugprone-exception-escape): as in cli.cc

  // Runs a command without input to its end and keeps what it says.
  void Call(wire::Command command, const std::string& name, base::Nanos deadline, OnCall on_call);

  // Starts a command whose streams the caller serves. `on_end` is called once.
  base::Result<CommandId> Open(wire::Command command, const std::string& name, base::Nanos deadline,
                               Streams* streams, OnEnd on_end);

  // Kills it; its end follows.
  void Kill(CommandId id);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

// What went wrong, in one line, for operators.
std::string Describe(const CallResult& result);

}  // namespace docker
