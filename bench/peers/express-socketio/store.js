// The connection to MongoDB, with everything acknowledged by the majority; models are registered where they are made.

import mongoose from "mongoose";

mongoose.set("strictQuery", true);

export async function openStore() {
  await mongoose.connect(process.env.PEER_MONGODB_URL, {
    dbName: process.env.PEER_DATABASE ?? "peer",
    writeConcern: { w: "majority", j: true },
    serverSelectionTimeoutMS: 4000,
  });
  await Promise.all(mongoose.modelNames().map((name) => mongoose.model(name).init())); // their indexes
}
