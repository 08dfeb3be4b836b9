/// The local description once it has all candidates.
export async function gathered(connection) {
  for (const end = Date.now() + 10_000; connection.iceGatheringState !== 'complete'; ) {
    if (Date.now() > end) throw new Error('gathering took more than 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return connection.localDescription.sdp;
}
