/**
 * Loaded into each broker process before its own program (`node --import`). The supervisor holds
 * the other end of standard input and never writes to it; the pipe ends when the supervisor does,
 * however it dies. Then the broker gets the signal it would have got from a living supervisor, and
 * drains. Without this, a killed `make run` leaves brokers behind that nobody sees.
 */
process.stdin.on('end', endWithSupervisor)
process.stdin.on('error', endWithSupervisor)
process.stdin.resume()
// Standard input alone is no reason for a broker to stay.
if ('unref' in process.stdin) process.stdin.unref()

function endWithSupervisor(): void {
  process.kill(process.pid, 'SIGTERM')
}
