/** Oneself, as others see one: name and picture. */

import { Dialog } from "./dialogs.js";
import { called, part } from "./elements.js";

export class ProfileDialog extends Dialog {
  #profile = null;

  /** `files` is a FileLinks; `onProfile(profile)` is told what has been saved. */
  constructor({ api, files, onProfile }) {
    super("#profile-dialog");
    Object.assign(this, { api, files, onProfile });
    this.form = part("form", this.node);
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.#save();
    };
    this.part("no-picture").onclick = () => this.#change({ avatarFileId: null });
  }

  async show() {
    this.form.reset();
    const known = await this.attempt(async () => this.#fill((await this.api.get("/api/users/profile")).data));
    if (known) this.open();
    else this.node.showModal(); // with what went wrong
  }

  #fill(profile) {
    this.#profile = profile;
    this.form.elements.displayName.value = called(profile);
    this.part("no-picture").hidden = !profile.avatarUrl;
  }

  async #save() {
    const [picture] = this.form.elements.picture.files;
    const saved = await this.attempt(async () => {
      const changes = { displayName: this.form.elements.displayName.value.trim() };
      if (picture) changes.avatarFileId = (await this.files.upload(picture)).id;
      await this.#patch(changes);
    });
    if (saved) this.close();
  }

  #change(changes) {
    return this.attempt(() => this.#patch(changes));
  }

  /** Change the profile, if no other device has since it was read here. */
  async #patch(changes) {
    const headers = { "If-Match": `"${this.#profile.version}"` };
    const { data } = await this.api.patch("/api/users/profile", changes, { headers });
    this.#fill(data);
    this.onProfile(data);
  }
}
