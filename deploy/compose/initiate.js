// Makes the replica set where there is none yet, then waits until its primary takes writes.
const missing = 94; // NotYetInitialized
try {
  rs.status();
} catch (error) {
  if (error.code !== missing) throw error;
  rs.initiate({_id: "marquee", members: [{_id: 0, host: "mongo:27017"}]});
}
for (let tries = 0; !db.hello().isWritablePrimary; tries++) {
  if (tries === 150) throw new Error("there is no primary after 30 s");
  sleep(200);
}
