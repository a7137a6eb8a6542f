// The report's 3-D viewer: WebGL 2, no library, no request. Data come from the script element "viewer-data"
// (flows/viewer.py). Frames: cube, x right, y up, z to the viewer; orthographic, so the front view is the picture's.
"use strict";
(() => {
  const root = document.getElementById("viewer");
  if (!root) return;
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const canvas = root.querySelector("canvas");
  const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
  const say = (text) => { root.querySelector(".say").textContent = text; };
  if (!gl || !("DecompressionStream" in window)) {
    root.classList.add("flat");
    say("This browser has no WebGL 2, so pairs cannot be turned here: the pictures of this page show them, and " +
        "facepairs mesh KEY writes a surface for other programs.");
    return;
  }

  // ---- unpacking: base64, deflate, byte planes, zigzag, differences ----
  async function unpack(text, rows, bits) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const planes = new Uint8Array(await new Response(stream).arrayBuffer());
    const width = bits / 8, total = planes.length / width, count = total / rows;
    const out = new Int32Array(total);
    for (let r = 0; r < rows; r++) {
      let last = 0;
      for (let i = r * count; i < (r + 1) * count; i++) {
        let z = 0;
        for (let b = width - 1; b >= 0; b--) z = z * 256 + planes[b * total + i];
        last += z % 2 ? -(z + 1) / 2 : z / 2;
        out[i] = last;
      }
    }
    return out;
  }

  // Area-weighted vertex normals.
  function normalsOf(points, faces) {
    const out = new Float32Array(points.length);
    for (let f = 0; f < faces.length; f += 3) {
      const a = 3 * faces[f], b = 3 * faces[f + 1], c = 3 * faces[f + 2];
      const ux = points[b] - points[a], uy = points[b + 1] - points[a + 1], uz = points[b + 2] - points[a + 2];
      const vx = points[c] - points[a], vy = points[c + 1] - points[a + 1], vz = points[c + 2] - points[a + 2];
      const nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
      for (const p of [a, b, c]) { out[p] += nx; out[p + 1] += ny; out[p + 2] += nz; }
    }
    return out;
  }

  // ---- programs ----
  const HEAD = "#version 300 es\nprecision highp float;\n";
  const MESH_VERTEX = HEAD + `
    in vec3 point; in vec3 normal; in float seen;
    uniform mat3 turn; uniform vec2 scale;
    out vec3 n; out vec3 view; out vec2 uv; out float shown;
    void main() {
      vec3 p = turn * point;
      n = normalize(normal); view = turn * n; shown = seen;
      uv = vec2(point.x, -point.y) * 0.5 + 0.5;
      gl_Position = vec4(p.xy * scale, -p.z * 0.4, 1.0);
    }`;
  const MESH_FRAGMENT = HEAD + `
    in vec3 n; in vec3 view; in vec2 uv; in float shown;
    uniform sampler2D picture; uniform int mode; uniform float alpha;
    out vec4 colour;
    void main() {
      vec3 v = normalize(view);
      float light = 0.28 + 0.6 * max(dot(v, normalize(vec3(0.35, 0.5, 0.8))), 0.0) + 0.12 * max(-v.x, 0.0);
      vec3 clay = vec3(0.80, 0.77, 0.73) * light;
      vec3 c = clay;
      if (mode == 0) c = mix(clay, texture(picture, uv).rgb, smoothstep(0.15, 0.6, shown));
      if (mode == 1) c = normalize(n) * 0.5 + 0.5;
      colour = vec4(c, alpha);
    }`;
  const PLANE_VERTEX = HEAD + `
    in vec2 corner; uniform mat3 turn; uniform vec2 scale; out vec2 uv;
    void main() {
      vec3 p = turn * vec3(corner, -1.0);
      uv = vec2(corner.x, -corner.y) * 0.5 + 0.5;
      gl_Position = vec4(p.xy * scale, -p.z * 0.4, 1.0);
    }`;
  const PLANE_FRAGMENT = HEAD + `
    in vec2 uv; uniform sampler2D picture; out vec4 colour;
    void main() { colour = vec4(texture(picture, uv).rgb, 1.0); }`;

  function program(vertex, fragment, names) {
    const made = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(made, shader);
    }
    names.forEach((name, i) => gl.bindAttribLocation(made, i, name));
    gl.linkProgram(made);
    return { made, at: (name) => gl.getUniformLocation(made, name) };
  }
  const meshes = program(MESH_VERTEX, MESH_FRAGMENT, ["point", "normal", "seen"]);
  const planes = program(PLANE_VERTEX, PLANE_FRAGMENT, ["corner"]);

  function attribute(place, values, size) {
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
  }
  const square = gl.createVertexArray();
  gl.bindVertexArray(square);
  attribute(0, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), 2);

  // ---- pairs, unpacked when they are first looked at ----
  const faces = {}, ready = {};
  async function load(pair) {
    if (ready[pair.key]) return ready[pair.key];
    faces[pair.head] ??= Uint32Array.from(await unpack(data.heads[pair.head].faces, 1, 32));
    const steps = await unpack(pair.vertices, 3, 16), seen = await unpack(pair.seen, 1, 16), n = pair.count;
    const points = new Float32Array(3 * n);
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < 3; k++) points[3 * i + k] = steps[k * n + i] / data.steps * 2 * data.span - data.span;
    }
    const picture = new Image();
    picture.src = pair.image;
    await picture.decode();
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
    gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    attribute(0, points, 3);
    attribute(1, normalsOf(points, faces[pair.head]), 3);
    attribute(2, Float32Array.from(seen, (v) => v / 255), 1);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces[pair.head], gl.STATIC_DRAW);
    return (ready[pair.key] = { array, texture, count: faces[pair.head].length });
  }

  // ---- view ----
  const state = { yaw: 0, pitch: 0, zoom: 0.92, mode: 0, overlay: false, shown: null };
  function rotation() {
    const a = state.yaw, b = state.pitch, ca = Math.cos(a), sa = Math.sin(a), cb = Math.cos(b), sb = Math.sin(b);
    return new Float32Array([ca, sb * sa, -cb * sa, 0, cb, sb, sa, -sb * ca, cb * ca]);  // columns
  }
  let asked = false;
  function draw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      const dots = Math.min(window.devicePixelRatio || 1, 2);
      const side = Math.max(1, Math.round(canvas.clientWidth * dots)), high = Math.max(1, Math.round(canvas.clientHeight * dots));
      if (canvas.width !== side || canvas.height !== high) { canvas.width = side; canvas.height = high; }
      gl.viewport(0, 0, side, high);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      if (!state.shown) return;
      const turn = rotation(), scale = [state.zoom * Math.min(1, high / side), state.zoom * Math.min(1, side / high)];
      gl.bindTexture(gl.TEXTURE_2D, state.shown.texture);
      if (state.overlay) {
        gl.disable(gl.DEPTH_TEST);
        gl.useProgram(planes.made);
        gl.uniformMatrix3fv(planes.at("turn"), false, turn);
        gl.uniform2fv(planes.at("scale"), scale);
        gl.bindVertexArray(square);
        gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
      }
      gl.enable(gl.DEPTH_TEST);
      gl.depthFunc(gl.LEQUAL);
      gl.useProgram(meshes.made);
      gl.uniformMatrix3fv(meshes.at("turn"), false, turn);
      gl.uniform2fv(meshes.at("scale"), scale);
      gl.uniform1i(meshes.at("mode"), state.mode);
      gl.uniform1f(meshes.at("alpha"), state.overlay ? 0.55 : 1);
      gl.bindVertexArray(state.shown.array);
      // Depth first, so that of a half transparent mesh only the front shows.
      gl.colorMask(false, false, false, false);
      gl.drawElements(gl.TRIANGLES, state.shown.count, gl.UNSIGNED_INT, 0);
      gl.colorMask(true, true, true, true);
      gl.enable(gl.BLEND);
      gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
      gl.drawElements(gl.TRIANGLES, state.shown.count, gl.UNSIGNED_INT, 0);
      gl.disable(gl.BLEND);
    });
  }

  // ---- controls ----
  const pointers = new Map();
  canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); pointers.set(e.pointerId, e); });
  const gone = (e) => pointers.delete(e.pointerId);
  canvas.addEventListener("pointerup", gone);
  canvas.addEventListener("pointercancel", gone);
  canvas.addEventListener("pointermove", (e) => {
    const before = pointers.get(e.pointerId);
    if (!before) return;
    const others = [...pointers.values()].filter((p) => p.pointerId !== e.pointerId);
    if (others.length) {
      const far = (p) => Math.hypot(p.clientX - others[0].clientX, p.clientY - others[0].clientY);
      zoom(far(e) / Math.max(1, far(before)));
    } else {
      orbit((e.clientX - before.clientX) / 120, (e.clientY - before.clientY) / 120);
    }
    pointers.set(e.pointerId, e);
  });
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoom(Math.exp(-e.deltaY / 600)); }, { passive: false });
  canvas.addEventListener("dblclick", front);
  canvas.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[e.key];
    if (step) { e.preventDefault(); orbit(...step); }
    if (e.key === "+" || e.key === "-") zoom(e.key === "+" ? 1.1 : 1 / 1.1);
    if (e.key === "0") front();
  });
  function orbit(dx, dy) {
    state.yaw += dx;
    state.pitch = Math.max(-1.4, Math.min(1.4, state.pitch + dy));
    draw();
  }
  function zoom(by) { state.zoom = Math.max(0.4, Math.min(8, state.zoom * by)); draw(); }
  function front() { Object.assign(state, { yaw: 0, pitch: 0, zoom: 0.92 }); draw(); }

  const press = (buttons, chosen) => buttons.forEach((b) => b.setAttribute("aria-pressed", String(b === chosen)));
  const modes = [...root.querySelectorAll("[data-mode]")];
  modes.forEach((b) => b.addEventListener("click", () => { state.mode = Number(b.dataset.mode); press(modes, b); draw(); }));
  root.querySelector("[data-front]").addEventListener("click", front);
  const overlay = root.querySelector("[data-overlay]");
  overlay.addEventListener("click", () => {
    state.overlay = !state.overlay;
    overlay.setAttribute("aria-pressed", String(state.overlay));
    draw();
  });
  const list = root.querySelector(".pairs");
  const tiles = data.pairs.map((pair) => {
    const tile = document.createElement("button");
    const picture = new Image();
    picture.src = pair.image;
    picture.alt = "";
    tile.append(picture, `${pair.key}  ${pair.yaw}°`);
    tile.addEventListener("click", async () => {
      press(tiles, tile);
      say("unpacking");
      try {
        state.shown = await load(pair);
        say(`${pair.key}: yaw ${pair.yaw}°, texture ${pair.texture}, ${pair.count.toLocaleString("en")} vertices. ` +
            "Drag to turn, wheel or pinch to come closer, 0 or a double click for the picture's own view.");
        root.dataset.ready = pair.key;
      } catch (error) {
        say(`${pair.key} cannot be shown: ${error.message}`);
      }
      draw();
    });
    list.append(tile);
    return tile;
  });
  new ResizeObserver(draw).observe(canvas);
  tiles[Math.floor(tiles.length / 2)].click();
})();
